import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const ROOT = path.join(import.meta.dirname, "../..");

/** A request in the Open Inference Protocol, and the outputs that onnxruntime gives in Python. */
export interface Sample {
  readonly request: { readonly inputs: readonly SampleTensor[] };
  readonly outputs: readonly SampleTensor[];
}

export interface SampleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly unknown[];
}

/** The folder of sample models: the larger collection beside the project where it is there, or the examples. */
export function modelFolder(): string {
  const collection = process.env["LOCKSTEP_E2E_MODELS"] ?? path.join(ROOT, "../shared/models");
  return existsSync(collection) ? collection : path.join(ROOT, "examples/models");
}

/** Names of the sample models. */
export function modelNames(): string[] {
  return readdirSync(modelFolder(), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}

/** The samples of a model, by version. */
export function samplesOf(model: string, folder: string = modelFolder()): Record<string, Sample> {
  return JSON.parse(readFileSync(path.join(folder, model, "samples.json"), "utf8")) as Record<string, Sample>;
}

/**
 * What differs between outputs and those expected: numbers by more than 1e-4 relative, everything else at all. Numbers
 * below `smallest` are compared as if they were as large.
 */
export function differences(found: readonly SampleTensor[], expected: readonly SampleTensor[], smallest = 1): string[] {
  return expected.flatMap((wanted) => {
    const got = found.find(({ name }) => name === wanted.name);
    if (got === undefined) return [`output ${wanted.name} is missing`];
    const frame = ({ datatype, shape }: SampleTensor): string => `${datatype} ${JSON.stringify(shape)}`;
    if (frame(got) !== frame(wanted)) return [`output ${wanted.name}: expected ${frame(wanted)}, got ${frame(got)}`];
    return wanted.data.flatMap((value, index) =>
      isClose(got.data[index], value, smallest)
        ? []
        : [`${wanted.name}[${index}]: expected ${String(value)}, got ${String(got.data[index])}`],
    );
  });
}

function isClose(a: unknown, b: unknown, smallest: number): boolean {
  if (typeof a !== "number" || typeof b !== "number") return a === b;
  return Math.abs(a - b) <= 1e-4 * Math.max(smallest, Math.abs(a), Math.abs(b));
}
