import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { DOORS, importsOf, importViolations, type SourceFile } from "./import-rules.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const SIDES = ["common", "operator", "runtime", "cli"];

const manifest = JSON.parse(readFileSync(path.join(ROOT, "package.json"), "utf8")) as {
  dependencies: Record<string, string>;
};
const dependencies = Object.keys(manifest.dependencies);

function sources(): SourceFile[] {
  return SIDES.flatMap((side) =>
    readdirSync(path.join(ROOT, side), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => ({
        file: `${side}/${file.split(path.sep).join("/")}`,
        text: readFileSync(path.join(ROOT, side, file), "utf8"),
      })),
  );
}

test("every import keeps to the rules", () => {
  const files = sources();
  expect(files.length).toBeGreaterThan(50);
  expect(files.flatMap(({ text }) => importsOf(text)).length).toBeGreaterThan(100);
  expect(importViolations(files, dependencies)).toEqual([]);
});

test("the table of packages names nothing that is not installed", () => {
  const packages = Object.keys(DOORS).filter((name) => !name.startsWith("node:"));
  expect(packages.filter((name) => !dependencies.includes(name))).toEqual([]);
});

describe("the rules can be broken", () => {
  test.each<[words: string, file: string, line: string, says: RegExp]>([
    [
      "common enters nobody",
      "common/a.ts",
      'import { a } from "../runtime/errors.ts";',
      /common may only enter common/,
    ],
    ["the sides keep apart", "operator/a.ts", 'import { a } from "../runtime/errors.ts";', /operator may only enter/],
    ["types too", "runtime/a.ts", 'import type { A } from "../operator/config.ts";', /runtime may only enter/],
    ["the CLI needs no operator", "cli/a.ts", 'import { a } from "../operator/config.ts";', /cli may only enter/],
    ["sources need no tests", "runtime/a.ts", 'import { a } from "../test/a.ts";', /runtime may only enter/],
    ["nobody imports main.ts", "cli/a.ts", 'import { main } from "../runtime/main.ts";', /nobody imports it/],
    ["the queue knows no kind", "operator/controller/a.ts", 'import { a } from "../api/names.ts";', /may only enter/],
    ["storage knows no HTTP server", "runtime/storage/a.ts", 'import { a } from "../http/a.ts";', /keeps out of/],
    ["builders do no I/O", "operator/desired/a.ts", 'import { a } from "../kube/client.ts";', /without I\/O enters/],
    ["nor by a module", "runtime/core/a.ts", 'import { readFile } from "node:fs/promises";', /without I\/O imports/],
    ["one door to Kubernetes", "operator/a.ts", 'import { A } from "@kubernetes/client-node";', /only operator\/kube/],
    ["one door to ONNX", "runtime/http/a.ts", 'import * as ort from "onnxruntime-node";', /only runtime\/engine/],
    ["at run time too", "runtime/core/a.ts", 'await import("onnxruntime-node");', /only runtime\/engine/],
    ["several lines", "runtime/a.ts", 'import {\n  a,\n  b,\n} from "express";', /only runtime\/admin/],
    ["passing on", "runtime/a.ts", 'export { a } from "express";', /only runtime\/admin/],
    ["side effects", "runtime/a.ts", 'import "express";', /only runtime\/admin/],
    ["a package that nobody knows", "runtime/a.ts", 'import { a } from "left-pad";', /no such dependency/],
    ["a part of a package", "runtime/a.ts", 'import { a } from "@aws-sdk/client-s3/a";', /only runtime\/storage/],
  ])("%s", (_words, file, line, says) => {
    expect(importViolations([{ file, text: line }], dependencies)).toEqual([expect.stringMatching(says)]);
  });

  test("types of a package are free", () => {
    const text = 'import type { V1Pod } from "@kubernetes/client-node";';
    expect(importViolations([{ file: "operator/desired/a.ts", text }], dependencies)).toEqual([]);
  });
});
