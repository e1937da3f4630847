import { afterAll, beforeAll, expect, test } from "vitest";
import type { InferenceEngine, LoadedModel } from "../../../../runtime/core/servable.ts";
import { createOnnxEngine } from "../../../../runtime/engine/onnx-engine.ts";

/** What operators say of requests of odd lengths is the request's fault, not the server's. */
const VOICE_ACTIVITY = new URL("../../../../examples/models/silero-vad/1/model.onnx", import.meta.url).pathname;

let engine: InferenceEngine;
let model: LoadedModel;
beforeAll(async () => {
  engine = createOnnxEngine();
  model = await engine.load(VOICE_ACTIVITY, AbortSignal.timeout(30_000));
});
afterAll(() => engine[Symbol.asyncDispose]());

async function ask(samples: number, stateRows = 1, rows = 1): Promise<readonly unknown[]> {
  const state = new Float32Array(2 * stateRows * 128);
  const { outputs } = await model.infer(
    {
      inputs: [
        { name: "input", datatype: "FP32", shape: [rows, samples], data: new Float32Array(rows * samples) },
        { name: "state", datatype: "FP32", shape: [2, stateRows, 128], data: state },
        { name: "sr", datatype: "INT64", shape: [], data: BigInt64Array.of(16_000n) },
      ],
      outputs: ["output"],
    },
    AbortSignal.timeout(30_000),
  );
  return outputs;
}

test.each([
  [1, 1, 1],
  [16, 1, 1],
  [64, 1, 1],
  [576, 3, 1],
  [576, 1, 2],
])("%i samples, a state of %i rows and %i rows of samples", async (samples, stateRows, rows) => {
  await expect(ask(samples, stateRows, rows)).rejects.toMatchObject({ code: "InvalidArgument" });
});

test("a request that fits is answered", async () => {
  expect(await ask(576)).toHaveLength(1);
});
