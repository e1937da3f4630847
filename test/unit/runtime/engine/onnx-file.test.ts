import { readFileSync } from "node:fs";
import path from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { describeOnnxFile } from "../../../../runtime/engine/onnx-file.ts";
import { floats, identityModel, onnxModel, type OnnxGraph } from "../../../fixtures/onnx-builder.ts";

const EXAMPLES = path.join(import.meta.dirname, "../../../../examples/models");

const value = { type: "FLOAT", dims: ["n"] } as const;
const io = { inputs: [{ name: "input", ...value }], outputs: [{ name: "output", ...value }] };
const external = (location: string) => ({ type: "FLOAT", dims: [1], external: { offset: "0", location } }) as const;

describe("a model's file tells", () => {
  test("who made it, and what it needs", () => {
    expect(describeOnnxFile(readFileSync(path.join(EXAMPLES, "digits/2/model.onnx")))).toEqual({
      irVersion: 8,
      opsets: { "ai.onnx": 17, "ai.onnx.ml": 1 },
      producer: { name: "skl2onnx", version: "1.20.0" },
      metadata: {},
      externalData: [],
    });
    const bytes = onnxModel({ ...io, nodes: [] }, { opset: 21, domains: { "com.example": 3 }, irVersion: 10 });
    expect(describeOnnxFile(bytes)).toMatchObject({ irVersion: 10, opsets: { "ai.onnx": 21, "com.example": 3 } });
  });

  test("what its maker wrote into it", () => {
    const entry = (key: string, text: string): Buffer => {
      const body = Buffer.concat([
        Buffer.from([0x0a, Buffer.byteLength(key)]),
        Buffer.from(key),
        Buffer.from([0x12, Buffer.byteLength(text)]),
        Buffer.from(text),
      ]);
      return Buffer.concat([Buffer.from([0x72, body.length]), body]);
    };
    const bytes = Buffer.concat([identityModel("FLOAT"), entry("author", "Ann é"), entry("__proto__", "x")]);
    expect(Object.entries(describeOnnxFile(bytes).metadata)).toEqual([
      ["author", "Ann é"],
      ["__proto__", "x"],
    ]);
  });

  test("in which files its weights are, wherever they are used", () => {
    const branch = (location: string): OnnxGraph => ({
      inputs: [],
      outputs: [{ name: "b", ...value }],
      nodes: [],
      initializers: { b: external(location) },
    });
    const bytes = onnxModel({
      ...io,
      nodes: [
        {
          op: "If",
          inputs: ["input"],
          outputs: ["output"],
          attributes: {
            then_branch: { kind: "graph", value: branch("data/then.bin") },
            else_branch: { kind: "graph", value: branch("shared.bin") },
          },
        },
        {
          op: "Constant",
          inputs: [],
          outputs: ["c"],
          attributes: { value: { kind: "tensor", value: external("constant.bin") } },
        },
      ],
      initializers: {
        a: external("shared.bin"),
        inline: { type: "FLOAT", dims: [1], data: floats([1]) },
        outside: external("../../etc/passwd"),
      },
    });
    expect(describeOnnxFile(bytes).externalData.toSorted()).toEqual([
      "../../etc/passwd",
      "constant.bin",
      "data/then.bin",
      "shared.bin",
    ]);
  });
});

/** The kind of error with which bytes are refused; empty for those that are not. */
function refusalOf(bytes: Uint8Array): string {
  try {
    describeOnnxFile(bytes);
    return "";
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}

test("bytes that are no model are refused with one kind of error", () => {
  const original = Buffer.from(onnxModel({ ...io, nodes: [], initializers: { a: external("w.bin") } }));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
      const bytes = Buffer.from(original);
      for (const [at, byte] of changes) bytes[at] = byte;
      expect(refusalOf(bytes)).toMatch(/^(RangeError|)$/);
    }),
    { numRuns: 500 },
  );
});
