import { readFileSync } from "node:fs";
import { assert, property, uint8Array } from "fast-check";
import { describe, expect, test } from "vitest";
import { isPredictable, operatorsOf } from "../../../../runtime/engine/onnx-operators.ts";
import {
  customOperatorModel,
  floats,
  heavyModel,
  identityModel,
  loopModel,
  memoryModel,
  onnxModel,
  type OnnxGraph,
} from "../../../fixtures/onnx-builder.ts";

const EXAMPLES = new URL("../../../../examples/models/", import.meta.url);

/** Both branches of an If: what `name` says, or the constant 0. */
function branching(op: string): Uint8Array {
  const branch = (name: string): OnnxGraph => ({
    inputs: [],
    outputs: [{ name: "value", type: "FLOAT", dims: [1] }],
    nodes: [{ op: name, inputs: ["zero"], outputs: ["value"] }],
  });
  return onnxModel({
    inputs: [{ name: "choice", type: "BOOL", dims: [] }],
    outputs: [{ name: "output", type: "FLOAT", dims: [1] }],
    nodes: [
      {
        op: "If",
        inputs: ["choice"],
        outputs: ["output"],
        attributes: {
          then_branch: { kind: "graph", value: branch(op) },
          else_branch: { kind: "graph", value: branch("Identity") },
        },
      },
    ],
    initializers: { zero: { type: "FLOAT", dims: [1], data: floats([0]) } },
  });
}

describe("operators", () => {
  test("are found in the file, with their domains", () => {
    const iris = readFileSync(new URL("iris/1/model.onnx", EXAMPLES));
    expect([...operatorsOf(iris)]).toEqual(["ai.onnx.ml:LinearClassifier", "ai.onnx.ml:Normalizer"]);
    expect([...operatorsOf(customOperatorModel())]).toEqual(["com.example:Frobnicate"]);
  });

  test("in branches and in bodies of loops are found as well", () => {
    expect([...operatorsOf(branching("Exp"))]).toEqual(["Exp", "Identity", "If"]);
    expect([...operatorsOf(loopModel())]).toEqual(["Identity", "Add", "Loop"]);
  });

  test("are not looked for in weights", () => {
    const text = Buffer.from(loopModel());
    const data = Buffer.concat([text, Buffer.alloc(4 - (text.length % 4))]);
    const model = onnxModel({
      inputs: [{ name: "input", type: "FLOAT", dims: [1] }],
      outputs: [{ name: "output", type: "FLOAT", dims: [data.length / 4] }],
      nodes: [{ op: "Add", inputs: ["input", "weights"], outputs: ["output"] }],
      initializers: { weights: { type: "FLOAT", dims: [data.length / 4], data } },
    });
    expect([...operatorsOf(model)]).toEqual(["Add"]);
  });
});

describe("how long a run takes", () => {
  const models: readonly [string, Uint8Array, boolean][] = [
    ["iris", readFileSync(new URL("iris/1/model.onnx", EXAMPLES)), true],
    ["topic", readFileSync(new URL("topic/1/model.onnx", EXAMPLES)), true],
    ["a copy", identityModel("FLOAT"), true],
    ["a table", heavyModel(1000), true],
    ["a choice of two that are", branching("Exp"), true],
    ["a loop", loopModel(), false],
    ["memory as the input says", memoryModel(), false],
    ["a choice of one that is not", branching("ConstantOfShape"), false],
    ["an operator that nobody knows", customOperatorModel(), false],
    ["a file that is cut off", heavyModel(1000).subarray(0, 3000), false],
    ["groups, which no reader of ONNX expects", Uint8Array.of(0x0b), false],
  ];
  test.each(models)("follows from the shapes of the inputs: %s", (_, model, expected) => {
    expect(isPredictable(model)).toBe(expected);
  });

  test("is judged for any bytes", () => {
    assert(
      property(uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof isPredictable(bytes)).toBe("boolean");
      }),
    );
  });

  test("is not judged by names in a form that is longer than need be", () => {
    const model = Buffer.from(loopModel());
    const at = model.indexOf("Loop");
    // The length of the name in two bytes instead of one; the lengths around it grow by one.
    const longer = Buffer.concat([model.subarray(0, at - 1), Buffer.of(0x84, 0x00), model.subarray(at)]);
    expect(isPredictable(longer)).toBe(false);
  });
});
