import { describe, expect, test } from "vitest";
import { CliError } from "../../../cli/cli-error.ts";
import { ModelAnswers } from "../../../cli/model-answers.ts";
import { mapColumns } from "../../../cli/profile-columns.ts";
import { Refusals, type Refusal } from "../../../cli/refusals.ts";
import type { InferenceRequest, InferenceResult } from "../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../runtime/core/tensor.ts";
import { ServingError } from "../../../runtime/errors.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
  outputs: [
    { name: "label", datatype: "INT64", shape: [-1] },
    { name: "y", datatype: "FP32", shape: [-1, 1] },
  ],
};

/** How a model answers `x`. */
type Answer = (x: Float32Array, shape: readonly number[]) => Tensor;

const twice: Answer = (x) => ({ name: "y", datatype: "FP32", shape: [x.length, 1], data: x.map((each) => 2 * each) });

/** Asks a model about rows; what was heard of it, and how many rows each of its runs had. */
async function ask(
  cells: readonly unknown[],
  answer: Answer,
  signature = SIGNATURE,
): Promise<{ values: number[]; refusals: Refusal[]; runs: number[] }> {
  const heard = { values: [] as number[], refusals: [] as Refusal[], runs: [] as number[] };
  const infer = (request: InferenceRequest): Promise<InferenceResult> => {
    expect(request.outputs).toEqual(["y"]);
    const [input] = request.inputs;
    if (input?.datatype !== "FP32") throw new Error("expected the input");
    heard.runs.push(input.shape[0] ?? 1);
    const outputs = [answer(input.data, input.shape)];
    return Promise.resolve({ outputs, timing: { queueMs: 0, computeMs: 1, batchSize: 1 } });
  };
  const { inputs, answers: plans } = mapColumns(signature, ["x", "label"]);
  const answers = new ModelAnswers({
    model: { signature, infer: async (request) => await infer(request) },
    inputs,
    plans,
    signal: new AbortController().signal,
    answered: ({ values }) => heard.values.push(...(values as Float64Array)),
    refused: (refusal) => heard.refusals.push(refusal),
  });
  for (const [at, x] of cells.entries()) await answers.add({ x, label: 1 }, `f, row ${at + 1}`);
  await answers.end();
  return heard;
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at);
const doubled = (count: number): number[] => upTo(count).map((each) => 2 * each);

describe("a model is asked about rows", () => {
  test("many together, of which each is answered once, for the outputs that are no columns", async () => {
    const { values, runs } = await ask(upTo(1_000), twice);
    expect(values).toEqual(doubled(1_000));
    expect(runs.length).toBeLessThan(100);
    expect(Math.max(...runs)).toBeGreaterThan(8);
  });

  test("one by one where rows together are answered otherwise", async () => {
    const summed: Answer = (x) => ({ ...twice(x, []), data: x.map(() => x.reduce((a, b) => a + b, 0)) }) as Tensor;
    const { values } = await ask(upTo(300), summed);
    expect(values).toEqual(upTo(300));
  });

  test("one by one where its shapes say so", async () => {
    const { runs } = await ask(upTo(20), twice, {
      ...SIGNATURE,
      inputs: [{ name: "x", datatype: "FP32", shape: [1, 1] }],
    });
    expect(runs).toEqual(upTo(20).map(() => 1));
  });

  test("as many as it takes together, no more and no fewer", async () => {
    const fixed: Signature = { ...SIGNATURE, inputs: [{ name: "x", datatype: "FP32", shape: [8, 1] }] };
    const { runs, values, refusals } = await ask(upTo(19), twice, fixed);
    expect(runs).toEqual([8, 8]);
    expect(values).toEqual(doubled(16));
    expect(refusals.map(({ place }) => place)).toEqual(["f, row 17", "f, row 18", "f, row 19"]);
    expect(refusals[0]?.why).toMatch(/expected shape \[8,1\], got \[3,1\]/);
  });

  test("in runs of one shape, where rows have different ones", async () => {
    const signature: Signature = { ...SIGNATURE, inputs: [{ name: "x", datatype: "FP32", shape: [-1, -1] }] };
    const cells = upTo(100).map((at) => upTo(1 + (at % 3)).map(() => at));
    const widths: Answer = (x, [rows = 1, width = 1]) => ({
      name: "y",
      datatype: "FP32",
      shape: [rows, 1],
      data: Float32Array.from({ length: rows }, (_, row) => (x[row * width] ?? 0) * 2),
    });
    const { values } = await ask(cells, widths, signature);
    expect(values.toSorted((a, b) => a - b)).toEqual(doubled(100));
  });
});

describe("rows that it does not answer", () => {
  const picky: Answer = (x, shape) => {
    if (x.includes(500)) throw new ServingError("InvalidArgument", "it has no 500");
    return twice(x, shape);
  };

  test("are told, and those beside them are answered", async () => {
    const { values, refusals } = await ask(upTo(1_000), picky);
    expect(values.toSorted((a, b) => a - b)).toEqual(doubled(1_000).filter((each) => each !== 1_000));
    expect(refusals).toEqual([{ place: "f, row 501", why: "it has no 500" }]);
  });

  test("are those too that no request can bring", async () => {
    const signature: Signature = { ...SIGNATURE, inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }] };
    const one = { name: "y", datatype: "FP32", shape: [1, 1], data: Float32Array.of(1) } as const;
    const { refusals } = await ask([[1, 2], [1]], () => one, signature);
    expect(refusals).toEqual([{ place: "f, row 2", why: 'input "x": expected 2 values, got 1' }]);
  });

  test("are not those of a model that is gone", async () => {
    const gone: Answer = (x, shape) => {
      if (x.includes(700)) throw new ServingError("Unavailable", "the model has crashed");
      return twice(x, shape);
    };
    const asked = ask(upTo(1_000), gone);
    await expect(asked).rejects.toThrow(CliError);
    await expect(asked).rejects.toThrow(/^f, row \d+: the model has crashed; --no-run /);
  });
});

describe("refused rows", () => {
  const refusal = (row: number): Refusal => ({ place: `f, row ${row}`, why: "no" });

  test("are told at the end, the first of them one by one", () => {
    const refusals = new Refusals();
    expect(refusals.notes(10)).toEqual([]);
    refusals.answered();
    for (let row = 1; row <= 7; row++) refusals.add(refusal(row));
    expect(refusals.notes(10)).toEqual([
      "the model does not answer 7 of 10 rows, of which the profile has the inputs only",
      ...[1, 2, 3, 4, 5].map((row) => `f, row ${row}: no`),
      "and 2 more",
    ]);
  });

  test("are an error where there are no others, at the end or after many", () => {
    const refusals = new Refusals();
    refusals.add(refusal(1));
    expect(() => refusals.notes(1)).toThrow(/^the model answers none of the first 1 rows; f, row 1: no\n.*--no-run/);
    expect(() => {
      for (let row = 2; row <= 2_000; row++) refusals.add(refusal(row));
    }).toThrow(/none of the first 1000 rows/);
  });
});
