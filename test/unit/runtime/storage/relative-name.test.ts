import { join, resolve } from "node:path";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { relativeNameProblem } from "../../../../runtime/storage/relative-name.ts";
import { anyText } from "../../../fixtures/any-text.ts";

test.each(["model.onnx", "a/b/c", "weights é+ .bin", "...", "a..b", "__proto__", "con"])("%j may be used", (name) => {
  expect(relativeNameProblem(name)).toBeUndefined();
});

test.each([
  "",
  ".",
  "..",
  "/",
  "/a",
  "a/",
  "a//b",
  "a/./b",
  "a/../b",
  "..\\a",
  "a\u0000",
  "a\u007f",
  "\ud800",
  "é".repeat(128),
  "a/b/c/d/e/f/g/h/i",
  `${"a".repeat(200)}/`.repeat(7),
])("%j may not", (name) => {
  expect(relativeNameProblem(name)).toBeTypeOf("string");
});

test("a name that may be used stays below its folder and is its own canonical form", () => {
  const segment = fc.oneof(fc.constantFrom("..", ".", "", "a"), anyText);
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 10 }), (segments) => {
      const name = segments.join("/");
      if (relativeNameProblem(name) !== undefined) return;
      expect(resolve("/srv/folder", name)).toBe(`/srv/folder/${name}`);
      expect(join("x", name)).toBe(`x/${name}`);
    }),
    { numRuns: 500 },
  );
});
