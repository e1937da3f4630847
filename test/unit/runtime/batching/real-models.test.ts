import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { batchSizes } from "../../../../runtime/batching/batch-costs.ts";
import { createBatchedModel } from "../../../../runtime/batching/batched-model.ts";
import { findDifference } from "../../../../runtime/batching/same-tensors.ts";
import { warmUp } from "../../../../runtime/core/warm-up.ts";
import type { LoadedModel } from "../../../../runtime/core/servable.ts";
import type { Tensor } from "../../../../runtime/core/tensor.ts";
import { createOnnxEngine } from "../../../../runtime/engine/onnx-engine.ts";
import { systemClock } from "../../../../runtime/system-clock.ts";
import { floats, onnxModel, type OnnxTensor } from "../../../fixtures/onnx-builder.ts";

const EXAMPLES = path.join(import.meta.dirname, "../../../../examples/models");
const folder = mkdtempSync(path.join(tmpdir(), "lockstep-batching-"));
const engine = createOnnxEngine();
const patience = new AbortController().signal;

afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** 64-48-10 with Relu and Softmax; numbers are always the same. */
function mlpFile(): string {
  const random = (seed: number, size: number): Uint8Array =>
    floats(Float32Array.from({ length: size }, (_, index) => Math.sin(seed + index * 12.9898) * 0.2));
  const weights = (seed: number, dims: readonly [number, number]): OnnxTensor => {
    return { type: "FLOAT", dims, data: random(seed, dims[0] * dims[1]) };
  };
  const graph = {
    inputs: [{ name: "input", type: "FLOAT", dims: ["n", 64] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["n", 10] }],
    nodes: [
      { op: "MatMul", inputs: ["input", "w0"], outputs: ["h"] },
      { op: "Relu", inputs: ["h"], outputs: ["r"] },
      { op: "MatMul", inputs: ["r", "w1"], outputs: ["z"] },
      { op: "Softmax", inputs: ["z"], outputs: ["output"] },
    ],
    initializers: { w0: weights(1, [64, 48]), w1: weights(2, [48, 10]) },
  } as const;
  return made("mlp", onnxModel(graph));
}

/** Each row less the mean of all: rows depend on each other. */
function centringFile(): string {
  const graph = {
    inputs: [{ name: "input", type: "FLOAT", dims: ["n", 3] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["n", 3] }],
    nodes: [
      {
        op: "ReduceMean",
        inputs: ["input"],
        outputs: ["mean"],
        attributes: { axes: { kind: "ints", value: [0] }, keepdims: { kind: "int", value: 1 } },
      },
      { op: "Sub", inputs: ["input", "mean"], outputs: ["output"] },
    ],
  } as const;
  return made("centring", onnxModel(graph, { opset: 13 }));
}

function made(name: string, model: Uint8Array): string {
  const file = path.join(folder, `${name}.onnx`);
  writeFileSync(file, model);
  return file;
}

const example = (name: string): string => path.join(EXAMPLES, name, "1/model.onnx");
const warmUpOptions = {
  iterations: 1,
  requests: [],
  maxBatchSize: 32,
  warmupTimeoutMs: 60_000,
  budgetMs: 10_000,
  clock: systemClock,
};
const LIMITS = { maxBatchSize: 32, maxLatencyMs: 0, maxQueue: 1_000 };

async function loadBatched(file: string): Promise<{ alone: LoadedModel; batched: LoadedModel }> {
  const alone = await engine.load(file, patience);
  const outcome = await warmUp(alone, warmUpOptions, patience);
  if (outcome.kind !== "batchable") throw new Error(`expected a model that can be batched, got ${outcome.kind}`);
  // Whatever was measured, and will be at first: the test wants large batches.
  const costs = batchSizes(32).map((rows) => ({ rows, computeMs: rows === 32 ? 0 : 1 }));
  const batching = { ...outcome.knowledge, costs };
  const batched = createBatchedModel(alone, {
    limits: LIMITS,
    batching,
    clock: systemClock,
    afterTurn: setImmediate,
  });
  return { alone, batched };
}

const float = fc.float({ min: -50, max: 50, noNaN: true });
const words = fc.array(fc.constantFrom("game", "players", "soup", "garlic", "server", "disk", "ß", ""), {
  maxLength: 5,
});
type Row = readonly (number | string)[];

/** One row for each kind of model, and the tensor of some rows. */
const FLOATS = (width: number): fc.Arbitrary<Row> => fc.array(float, { minLength: width, maxLength: width });
const TEXT: fc.Arbitrary<Row> = words.map((all) => [all.join(" ")]);

function inputOf({ signature }: LoadedModel, rows: readonly Row[]): Tensor {
  const [spec] = signature.inputs;
  if (spec === undefined) throw new Error("expected an input");
  const shape = [rows.length, ...spec.shape.slice(1)];
  if (spec.datatype === "BYTES") return { name: spec.name, datatype: "BYTES", shape, data: rows.flat().map(String) };
  return { name: spec.name, datatype: "FP32", shape, data: Float32Array.from(rows.flat(), Number) };
}

type Equality = (expected: readonly Tensor[], got: readonly Tensor[]) => boolean;
/** The library multiplies one row by other means than many: its sums differ in their last bits. */
const roundedEqual: Equality = (expected, got) => findDifference(expected, got) === undefined;
const bitsEqual: Equality = (expected, got) => isDeepStrictEqual(got, expected);

describe("requests that are run together are answered as alone", () => {
  test.each<[name: string, file: () => string, row: fc.Arbitrary<Row>, isEqual: Equality]>([
    ["iris", () => example("iris"), FLOATS(4), roundedEqual],
    ["digits", () => example("digits"), FLOATS(64), roundedEqual],
    ["diabetes", () => example("diabetes"), FLOATS(10), roundedEqual],
    ["topic, of texts", () => example("topic"), TEXT, roundedEqual],
    ["version-echo", () => example("version-echo"), FLOATS(1), bitsEqual],
    ["a network of two layers", mlpFile, FLOATS(64), roundedEqual],
  ])(
    "%s",
    async (_name, file, row, isEqual) => {
      const { alone, batched } = await loadBatched(file());
      const outputs = alone.signature.outputs.map(({ name }) => name);
      const requests = fc.array(fc.array(row, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 40 });
      let largest = 0;
      await fc.assert(
        fc.asyncProperty(requests, async (all) => {
          const ask = (model: LoadedModel, rows: readonly Row[]): Promise<{ outputs: readonly Tensor[] }> =>
            model.infer({ inputs: [inputOf(model, rows)], outputs }, patience);
          const together = await Promise.all(
            all.map(async (rows) => {
              const { outputs: own, timing } = await batched.infer(
                { inputs: [inputOf(batched, rows)], outputs },
                patience,
              );
              largest = Math.max(largest, timing.batchSize);
              return own;
            }),
          );
          for (const [index, rows] of all.entries()) {
            const { outputs: expected } = await ask(alone, rows);
            const got = together[index] ?? [];
            expect(isEqual(expected, got)).toBe(true);
          }
        }),
        { numRuns: 15 },
      );
      expect(largest).toBeGreaterThan(16);
      await batched[Symbol.asyncDispose]();
    },
    30_000,
  );
});

test("a model whose rows depend on each other is found out by its warm-up", async () => {
  const model = await engine.load(centringFile(), patience);
  expect(await warmUp(model, warmUpOptions, patience)).toEqual({
    kind: "unbatchable",
    why: 'output "output" of a row is different when 2 rows are run together',
  });
});
