import { describe, expect, test } from "vitest";
import { checkState, nextState, withState } from "../../../../runtime/core/model-state.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";

const BINDINGS = [{ input: "state", output: "stateN" }];
const SIGNATURE: Signature = {
  inputs: [
    { name: "input", datatype: "FP32", shape: [-1, 4] },
    { name: "state", datatype: "FP32", shape: [2, -1, 3] },
    { name: "rate", datatype: "INT64", shape: [] },
  ],
  outputs: [
    { name: "output", datatype: "FP32", shape: [-1, 1] },
    { name: "stateN", datatype: "FP32", shape: [-1, -1, -1] },
  ],
};
const input: Tensor = { name: "input", datatype: "FP32", shape: [2, 4], data: new Float32Array(8) };
const rate: Tensor = { name: "rate", datatype: "INT64", shape: [], data: BigInt64Array.of(16_000n) };

describe("the state of a model", () => {
  test("starts as zeros for as many rows as the request has", () => {
    const inputs = withState([input, rate], new Map(), SIGNATURE, BINDINGS);
    expect(inputs.map(({ name }) => name)).toEqual(["input", "state", "rate"]);
    expect(inputs[1]).toEqual({ name: "state", datatype: "FP32", shape: [2, 2, 3], data: new Float32Array(12) });
  });

  test("of which something grows with each request starts with nothing of it", () => {
    const signature: Signature = {
      inputs: [
        { name: "input", datatype: "FP32", shape: [-1, 4] },
        { name: "state", datatype: "FP32", shape: [-1, 8, -1, 2] },
      ],
      outputs: [],
    };
    expect(withState([input], new Map(), signature, BINDINGS)[1]).toMatchObject({ shape: [2, 8, 0, 2] });
  });

  test("comes from the outputs of the request before, as copies", () => {
    const data = Float32Array.from({ length: 6 }, (_, index) => index);
    const stateN: Tensor = { name: "stateN", datatype: "FP32", shape: [2, 1, 3], data };
    const kept = nextState([stateN], BINDINGS);
    data.fill(9);
    const [, state] = withState([input, rate], kept, SIGNATURE, BINDINGS);
    expect(state).toEqual({
      name: "state",
      datatype: "FP32",
      shape: [2, 1, 3],
      data: Float32Array.of(0, 1, 2, 3, 4, 5),
    });
    expect(state?.data).not.toBe(kept.get("state")?.data);
  });

  test("is the request's own, if it has one", () => {
    const own: Tensor = { name: "state", datatype: "FP32", shape: [2, 2, 3], data: new Float32Array(12).fill(1) };
    expect(withState([input, own, rate], new Map(), SIGNATURE, BINDINGS)[1]).toBe(own);
  });
});

describe("a configuration of state", () => {
  test("fits a model that has the input and the output", () => {
    expect(() => checkState(BINDINGS, SIGNATURE)).not.toThrow();
  });

  test.each([
    [{ input: "h", output: "stateN" }, 'names input "h", which the model does not have'],
    [{ input: "state", output: "h" }, 'names output "h", which the model does not have'],
    [{ input: "rate", output: "stateN" }, 'output "stateN" (FP32 [-1,-1,-1]) cannot become input "rate" (INT64 [])'],
    [
      { input: "input", output: "stateN" },
      'output "stateN" (FP32 [-1,-1,-1]) cannot become input "input" (FP32 [-1,4])',
    ],
  ])("is refused: %j", (binding, message) => {
    expect(() => checkState([binding], SIGNATURE)).toThrow(
      expect.objectContaining({ reason: "InvalidModel", message: expect.stringContaining(message) }),
    );
  });
});
