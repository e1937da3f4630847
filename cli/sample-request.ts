import { z } from "zod";
import type { JsonTensor, JsonTensorSpec } from "../common/sample-tensors.ts";

const tensor = z.object({
  name: z.string(),
  shape: z.array(z.int().min(0)),
  datatype: z.string(),
  data: z.array(z.unknown()),
});
/** `samples.json` beside the versions of a model: per version, a request, and the outputs that are expected. */
const samples = z.record(z.string(), z.object({ request: z.object({ inputs: z.array(tensor).min(1) }) }));

/** The first row of a version's sample in the text of `samples.json`; undefined if there is none that fits. */
export function sampleInputs(
  text: string,
  version: number,
  inputs: readonly JsonTensorSpec[],
): readonly JsonTensor[] | undefined {
  let sample: readonly JsonTensor[] | undefined;
  try {
    sample = samples.parse(JSON.parse(text))[String(version)]?.request.inputs;
  } catch {
    return undefined;
  }
  const fits = inputs.every(({ name, datatype }) =>
    sample?.some((own) => own.name === name && own.datatype === datatype),
  );
  if (sample === undefined || !fits || sample.length !== inputs.length) return undefined;
  return firstRow(sample).map((own) => (own.datatype === "FP32" ? { ...own, data: own.data.map(shortest) } : own));
}

/** The shortest decimal number that is the same FP32: 5.1, not 5.099999904632568. */
function shortest(value: unknown): unknown {
  if (typeof value !== "number") return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

/** One row of each, if all have the same number of rows, so that the line to copy is short. */
function firstRow(tensors: readonly JsonTensor[]): readonly JsonTensor[] {
  const rows = tensors[0]?.shape[0] ?? 0;
  if (rows < 2 || !tensors.every(({ shape }) => shape[0] === rows)) return tensors;
  return tensors.map((own) => ({
    ...own,
    shape: [1, ...own.shape.slice(1)],
    data: own.data.slice(0, own.data.length / rows),
  }));
}
