import { describe, expect, test } from "vitest";
import { RestRouter, type Route } from "../../../../runtime/http/rest-router.ts";

const route = (method: Route["method"], path: string): Route => ({
  method,
  path,
  answer: () => ({ status: 200, body: "" }),
});
const router = new RestRouter([
  route("GET", "/"),
  route("GET", "/models"),
  route("GET", "/models/:model"),
  route("POST", "/models/:model"),
  route("GET", "/models/all"),
  route("GET", "/models/:model/versions/:version"),
  route("POST", "/index"),
]);

const leadsTo = (method: string, path: string): unknown => {
  const match = router.match(method, path);
  return match.kind === "route" ? [match.route.method, match.route.path, match.params] : match;
};

describe("a route", () => {
  test.each([
    ["GET", "/", ["GET", "/", {}]],
    ["GET", "/models", ["GET", "/models", {}]],
    ["HEAD", "/models", ["GET", "/models", {}]],
    ["GET", "/models/m", ["GET", "/models/:model", { model: "m" }]],
    ["POST", "/models/m", ["POST", "/models/:model", { model: "m" }]],
    ["GET", "/models/all", ["GET", "/models/all", {}]],
    ["GET", "/models/%61%2Fb", ["GET", "/models/:model", { model: "a/b" }]],
    ["GET", "/models/%2561", ["GET", "/models/:model", { model: "%61" }]],
    ["GET", "/models/..", ["GET", "/models/:model", { model: ".." }]],
    ["GET", "/models/m/versions/3", ["GET", "/models/:model/versions/:version", { model: "m", version: "3" }]],
  ])("%s %s", (method, path, expected) => {
    expect(leadsTo(method, path)).toEqual(expected);
  });
});

test.each([
  ["PUT", "/models", ["GET", "HEAD"]],
  ["DELETE", "/models/m", ["GET", "HEAD", "POST"]],
  ["GET", "/index", ["POST"]],
  ["HEAD", "/index", ["POST"]],
  ["POST", "/models/all", ["GET", "HEAD"]],
])("%s %s is not allowed", (method, path, allowed) => {
  expect(leadsTo(method, path)).toEqual({ kind: "method-not-allowed", allowed });
});

test.each(["", "//", "/Models", "/models/", "/models//versions/3", "/models/%zz", "/models/m/versions", "/m/n/o/p/q"])(
  "GET %s leads nowhere",
  (path) => {
    expect(leadsTo("GET", path)).toEqual({ kind: "unknown" });
  },
);
