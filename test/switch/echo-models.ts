import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { floats, onnxModel } from "../fixtures/onnx-builder.ts";

/** Writes versions of a model whose answer proves the version: output = input + version. */
export function writeEchoVersions(folder: string, versions: readonly number[]): void {
  for (const version of versions) {
    const place = path.join(folder, String(version));
    mkdirSync(place, { recursive: true });
    writeFileSync(path.join(place, "model.onnx"), echoModel(version));
  }
}

function echoModel(version: number): Uint8Array {
  return onnxModel({
    inputs: [{ name: "input", type: "FLOAT", dims: ["n", 1] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["n", 1] }],
    nodes: [{ op: "Add", inputs: ["input", "version"], outputs: ["output"] }],
    initializers: { version: { type: "FLOAT", dims: [1], data: floats([version]) } },
  });
}
