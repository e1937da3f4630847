import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { imageStart } from "../../../bench/operator/image-start.ts";

const DOCKERFILE = `
ARG BASE_IMAGE=node:26-slim
FROM \${BASE_IMAGE} AS first
ENV NODE_ENV=production A=1
ENTRYPOINT ["node", "--one=1", "--two", "/app/first.mjs"]

FROM \${BASE_IMAGE} AS second
ENTRYPOINT ["node", "/app/second.mjs"]

FROM \${BASE_IMAGE} AS third
ENTRYPOINT ["sh", "-c", "third"]
`;

test("what an image gives to node is read from its own target", () => {
  expect(imageStart(DOCKERFILE, "first")).toEqual({
    variables: { NODE_ENV: "production", A: "1" },
    options: ["--one=1", "--two"],
  });
  expect(imageStart(DOCKERFILE, "second")).toEqual({ variables: {}, options: [] });
});

test("a target that is not there, or starts something else, is an error", () => {
  expect(() => imageStart(DOCKERFILE, "fourth")).toThrow("expected an entrypoint of node, got none");
  expect(() => imageStart(DOCKERFILE, "third")).toThrow("expected an entrypoint of node");
});

test("the operator's image keeps the heap small", () => {
  const { variables, options } = imageStart(
    readFileSync(path.join(import.meta.dirname, "../../../Dockerfile"), "utf8"),
    "operator",
  );
  expect(variables["MALLOC_ARENA_MAX"]).toBe("1");
  expect(options.map((option) => option.split("=")[0])).toEqual(["--heap-growing-percent", "--max-semi-space-size"]);
});
