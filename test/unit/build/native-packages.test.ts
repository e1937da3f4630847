import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { nativePackages, withLibraryBeside } from "../../../build/native-packages.ts";

const ROOT = path.join(import.meta.dirname, "../../..");

describe("the loader of a native package", () => {
  const [onnxruntime] = nativePackages;
  if (onnxruntime === undefined) throw new Error("expected a native package, got none");

  test("of the installed version requires the library that lies beside the bundle", () => {
    const file = path.join(ROOT, "node_modules/onnxruntime-node/dist/binding.js");
    const bundled = withLibraryBeside(readFileSync(file, "utf8"), onnxruntime);
    expect(bundled).toContain('require("./onnxruntime/onnxruntime_binding.node")');
    expect(bundled).not.toContain(onnxruntime.loader.expression);
    expect(`/${path.relative(ROOT, file)}`).toMatch(onnxruntime.loader.file);
  });

  test("that is not as expected stops the bundling", () => {
    expect(() => withLibraryBeside("exports.binding = load();", onnxruntime)).toThrow(/onnxruntime-node: expected/);
    const twice = `${onnxruntime.loader.expression};${onnxruntime.loader.expression}`;
    expect(() => withLibraryBeside(twice, onnxruntime)).toThrow(/once/);
  });
});
