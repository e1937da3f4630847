import { describe, expect, test } from "vitest";
import { warmUp, type WarmUpOptions } from "../../../../runtime/core/warm-up.ts";
import type { InferenceRequest, LoadedModel } from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import { ManualClock } from "../../../fixtures/manual-clock.ts";

const patience = new AbortController().signal;

interface FakeModelOptions {
  readonly shape?: readonly number[];
  readonly outputShape?: readonly number[];
  readonly instances?: number;
  /** What a run takes by the clock and in the library. */
  readonly computeMs?: (rows: number) => number;
  /** Of each row, given all. Default: its sum. */
  readonly answer?: (rows: readonly (readonly number[])[]) => number[];
}

/** A model x FP32 -> y FP32 [-1], that keeps the rows of each run. */
class FakeModel implements LoadedModel {
  readonly signature: Signature;
  readonly runs: (readonly (readonly number[])[])[] = [];
  readonly clock = new ManualClock();
  readonly #options: FakeModelOptions;

  constructor(options: FakeModelOptions = {}) {
    this.#options = options;
    this.signature = {
      inputs: [{ name: "x", datatype: "FP32", shape: options.shape ?? [-1, 2] }],
      outputs: [{ name: "y", datatype: "FP32", shape: options.outputShape ?? [-1] }],
    };
  }

  execution(): ReturnType<LoadedModel["execution"]> {
    const { instances = 1 } = this.#options;
    return { placement: "Worker", instances, intraOpThreads: 1, batching: undefined };
  }

  async infer({ inputs: [x] }: InferenceRequest): ReturnType<LoadedModel["infer"]> {
    const { computeMs = () => 1, answer = sums } = this.#options;
    if (x?.datatype !== "FP32") throw new Error("expected x");
    const [count = 1] = x.shape;
    const width = x.data.length / count;
    const rows = Array.from({ length: count }, (_, row) => [...x.data.subarray(row * width, (row + 1) * width)]);
    this.runs.push(rows);
    const data = Float32Array.from(answer(rows));
    await this.clock.advance(computeMs(count));
    const y: Tensor = { name: "y", datatype: "FP32", shape: [data.length], data };
    return { outputs: [y], timing: { queueMs: 0, computeMs: computeMs(count), batchSize: count } };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

const sums = (rows: readonly (readonly number[])[]): number[] => rows.map((row) => row.reduce((a, b) => a + b, 0));

function warm(model: FakeModel, options: Partial<WarmUpOptions> = {}): ReturnType<typeof warmUp> {
  const defaults = { iterations: 1, requests: [], maxBatchSize: 8, warmupTimeoutMs: 60_000, budgetMs: 10_000 };
  return warmUp(model, { ...defaults, clock: model.clock, ...options }, patience);
}

const x = (rows: number, values: readonly number[]): readonly Tensor[] => [
  { name: "x", datatype: "FP32", shape: [rows, values.length / rows], data: Float32Array.from(values) },
];
const sizesOf = (model: FakeModel): number[] => model.runs.map((rows) => rows.length);

describe("synthetic requests", () => {
  test("are zeros first, then different rows, alone and together in all sizes that will be used", async () => {
    const model = new FakeModel({ computeMs: () => 8 });
    const outcome = await warm(model);
    expect(model.runs[0]).toEqual([[0, 0]]);
    expect(sizesOf(model)).toEqual([1, 1, 1, 1, 1, 2, 4, 8]);
    const alone = model.runs.slice(1, 5).map(([row]) => row);
    expect(new Set(alone.map((row) => String(row))).size).toBe(4);
    expect(model.runs[6]).toEqual(alone);
    expect(outcome).toEqual({
      kind: "batchable",
      knowledge: { maxRows: 8, key: "", costs: [1, 2, 4, 8].map((rows) => ({ rows, computeMs: 8 })) },
    });
  });

  test("are made as often as told, for each copy of the model", async () => {
    const model = new FakeModel({ instances: 2 });
    expect(await warm(model, { iterations: 3, maxBatchSize: 1 })).toEqual({ kind: "untried" });
    expect(sizesOf(model)).toEqual([1, 1, 1, 1, 1, 1]);
    const never = new FakeModel();
    expect(await warm(never, { iterations: 0 })).toEqual({ kind: "untried" });
    expect(never.runs).toEqual([]);
  });

  test("try other lengths where the model takes not any", async () => {
    const answer = (rows: readonly (readonly number[])[]): number[] => {
      if ((rows[0]?.length ?? 0) < 100) throw new ServingError("Internal", "the model failed in its operator Pad");
      return sums(rows);
    };
    const model = new FakeModel({ shape: [-1, -1], answer });
    expect(await warm(model)).toMatchObject({ kind: "batchable", knowledge: { key: "224," } });
    expect(model.runs.slice(0, 3).map(([row]) => row?.length)).toEqual([1, 16, 224]);
  });

  test("that no length makes right leave the model cold, since they may be at fault", async () => {
    const answer = (): number[] => {
      throw new ServingError("InvalidArgument", "the model's operator Conv cannot work with these inputs");
    };
    const why = "the model's operator Conv cannot work with these inputs";
    expect(await warm(new FakeModel({ shape: [-1, -1], answer }))).toEqual({ kind: "unwarmed", why });
    // Nothing was made up here that could be wrong.
    await expect(warm(new FakeModel({ answer }))).rejects.toMatchObject({
      reason: "WarmupFailed",
      message: `the model could not answer the synthetic request: ${why}`,
    });
  });
});

describe("given requests", () => {
  test("are all made, and their rows run together", async () => {
    const model = new FakeModel({ computeMs: () => 8 });
    const requests = [x(1, [1, 2]), x(2, [3, 4, 5, 6])];
    await warm(model, { requests, maxBatchSize: 4 });
    expect(model.runs).toEqual([
      [[1, 2]],
      [
        [3, 4],
        [5, 6],
      ],
      [[1, 2]],
      [[3, 4]],
      [[5, 6]],
      [
        [1, 2],
        [3, 4],
      ],
      [
        [1, 2],
        [3, 4],
        [5, 6],
        [1, 2],
      ],
    ]);
    // They stay the caller's.
    expect(requests[0]).toEqual(x(1, [1, 2]));
  });

  test("with a single row get another to tell it from", async () => {
    const model = new FakeModel();
    await warm(model, { requests: [x(1, [1, 2])], maxBatchSize: 2 });
    expect(model.runs.at(-1)).toEqual([
      [1, 2],
      [0.5, 1],
    ]);
  });

  test("that the model does not answer are failures", async () => {
    const answer = (rows: readonly (readonly number[])[]): number[] => {
      if (rows[0]?.[0] === 7) throw new ServingError("Internal", "the model failed to answer");
      return sums(rows);
    };
    await expect(warm(new FakeModel({ answer }), { requests: [x(1, [1, 2]), x(1, [7, 7])] })).rejects.toMatchObject({
      reason: "WarmupFailed",
      message: "the model could not answer warm-up request 2 of 2: the model failed to answer",
    });
  });
});

describe("rows are not run together", () => {
  const because = async (options: FakeModelOptions): Promise<unknown> => await warm(new FakeModel(options));

  test("if one's answer depends on another's", async () => {
    const answer = (rows: readonly (readonly number[])[]): number[] => {
      const all = sums(rows);
      return all.map((sum) => sum - Math.max(...all));
    };
    expect(await because({ answer })).toEqual({
      kind: "unbatchable",
      why: 'output "y" of a row is different when 2 rows are run together',
    });
  });

  test("if it depends on its place", async () => {
    expect(await because({ answer: (rows) => sums(rows).map((sum, row) => sum + row) })).toMatchObject({
      kind: "unbatchable",
    });
  });

  test("if the outputs do not have as many rows", async () => {
    expect(await because({ answer: (rows) => sums(rows).slice(0, 1) })).toEqual({
      kind: "unbatchable",
      why: '2 rows gave 1 of output "y"',
    });
    expect(await because({ answer: (rows) => [...sums(rows), 1] })).toEqual({
      kind: "unbatchable",
      why: "one row gave outputs of another number of rows",
    });
  });

  test("if the model refuses them", async () => {
    const answer = (rows: readonly (readonly number[])[]): number[] => {
      if (rows.length > 1) throw new ServingError("InvalidArgument", "dimension 0 is 2, expected 1");
      return sums(rows);
    };
    expect(await because({ answer })).toEqual({
      kind: "unbatchable",
      why: "2 rows together are refused: dimension 0 is 2, expected 1",
    });
  });

  test("if the signature does not allow it", async () => {
    expect(await because({ shape: [1, 2] })).toEqual({ kind: "untried" });
    expect(await because({ outputShape: [1] })).toEqual({ kind: "untried" });
  });

  test("if there was no time to find out", async () => {
    expect(await because({ computeMs: () => 4_000 })).toEqual({
      kind: "unbatchable",
      why: "there was no time in the warm-up to try it",
    });
  });
});

describe("sizes", () => {
  test("are tried as far as they pay", async () => {
    const model = new FakeModel({ computeMs: (rows) => rows * 20 });
    const outcome = await warm(model, { maxBatchSize: 64 });
    expect(Math.max(...sizesOf(model))).toBe(4);
    expect(outcome).toMatchObject({ kind: "batchable", knowledge: { maxRows: 64 } });
  });

  test("end where the model refuses more", async () => {
    const answer = (rows: readonly (readonly number[])[]): number[] => {
      if (rows.length > 4) throw new ServingError("Internal", "the model needs more memory");
      return sums(rows);
    };
    expect(await warm(new FakeModel({ answer }), { maxBatchSize: 64 })).toMatchObject({
      kind: "batchable",
      knowledge: { maxRows: 4 },
    });
  });

  test("whose turn would come too late are left out", async () => {
    const model = new FakeModel({ computeMs: (rows) => 500 + rows });
    await warm(model, { maxBatchSize: 64, budgetMs: 5_000 });
    expect(model.clock.now()).toBeLessThan(6_000);
    expect(Math.max(...sizesOf(model))).toBeGreaterThan(2);
  });
});
