import type { InferenceResult } from "../core/servable.ts";
import type { Signature, Tensor } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";
import { batchSizes, type RunCost } from "./batch-costs.ts";
import { BatchShape } from "./batch-shape.ts";
import type { BatchKnowledge } from "./batched-model.ts";
import { findMisfit, viewOutputs } from "./run-outputs.ts";
import { findDifference } from "./same-tensors.ts";
import { copyTensor, joinRows } from "./tensor-rows.ts";

/** What trying has shown. */
export type BatchTrial =
  | { readonly kind: "batchable"; readonly knowledge: BatchKnowledge }
  /** Rows must not be run together. */
  | { readonly kind: "unbatchable"; readonly why: string };

/** How, and how long, batches are tried. */
export interface BatchTrialOptions {
  readonly signature: Signature;
  readonly maxBatchSize: number;
  /** Runs of each size, at least. */
  readonly iterations: number;
  /** Runs the model once, with tensors that it may keep, for all outputs. */
  readonly run: (inputs: readonly Tensor[]) => Promise<InferenceResult>;
  /** Whether there is time for so many ms of runs. */
  readonly hasTimeFor: (ms: number) => boolean;
}

/** Runs that are as short as this are repeated, since one alone may have been disturbed. */
const REPEAT_BELOW_MS = 5;
const REPETITIONS = 3;
/** So much is spent on sizes even when the last ones were no better. */
const CHEAP_MS = 50;
/** What a doubling must bring to be called better. */
const GAIN = 0.97;

/**
 * Finds out whether rows (each a request of one row, of the same other dimensions, at least one) are answered together
 * as they are alone, and what sizes cost: 1 and its doublings, as far as they pay and there is time. Rows that fail alone
 * are left out. Throws what `run` throws if that is not about the inputs.
 */
export async function tryBatches(
  rows: readonly (readonly Tensor[])[],
  options: BatchTrialOptions,
): Promise<BatchTrial> {
  const { signature, hasTimeFor } = options;
  const shape = new BatchShape(signature);
  const answered = await answerAlone(rows, options);
  const [first] = answered;
  if (first === undefined) return { kind: "unbatchable", why: "no row could be tried: none is answered alone" };
  const singleMs = Math.min(...answered.map(({ computeMs }) => computeMs));
  const key = shape.keyOf(first.inputs);
  const costs: RunCost[] = [{ rows: 1, computeMs: singleMs }];
  if (answered.some(({ outputs }) => findMisfit(outputs, 1) !== undefined))
    return { kind: "unbatchable", why: "one row gave outputs of another number of rows" };
  let maxRows = options.maxBatchSize;
  let spentMs = 0;
  let lastMs = singleMs;
  for (const size of batchSizes(options.maxBatchSize).slice(1)) {
    const isFirst = costs.length === 1;
    // Larger ones may pay all the same: under load that will show.
    if (spentMs > CHEAP_MS && !isStillGaining(costs)) break;
    if (!hasTimeFor(isFirst ? 0 : lastMs * 2)) {
      if (isFirst) return { kind: "unbatchable", why: "there was no time in the warm-up to try it" };
      break;
    }
    const trial = await trySize(size, answered, options);
    if (trial.kind === "different" || (trial.kind === "failed" && isFirst))
      return { kind: "unbatchable", why: trial.why };
    if (trial.kind === "failed") {
      maxRows = costs.at(-1)?.rows ?? 1;
      break;
    }
    costs.push({ rows: size, computeMs: trial.computeMs });
    lastMs = trial.computeMs;
    spentMs += trial.spentMs;
  }
  return { kind: "batchable", knowledge: { maxRows, key, costs } };
}

interface AnsweredRow {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly computeMs: number;
}

/** The answers to each row alone, of those that have one. */
async function answerAlone(
  rows: readonly (readonly Tensor[])[],
  { run }: BatchTrialOptions,
): Promise<readonly AnsweredRow[]> {
  const answered: AnsweredRow[] = [];
  for (const inputs of rows) {
    try {
      const { outputs, timing } = await run(inputs.map(copyTensor));
      answered.push({ inputs, outputs, computeMs: timing.computeMs });
    } catch (error) {
      if (!isAboutInputs(error)) throw error;
    }
  }
  return answered;
}

type SizeTrial =
  | { readonly kind: "same"; readonly computeMs: number; readonly spentMs: number }
  | { readonly kind: "different"; readonly why: string }
  | { readonly kind: "failed"; readonly why: string };

async function trySize(
  size: number,
  rows: readonly AnsweredRow[],
  { run, iterations, hasTimeFor }: BatchTrialOptions,
): Promise<SizeTrial> {
  const members = Array.from({ length: size }, (_, index) => rows[index % rows.length]).filter(
    (row) => row !== undefined,
  );
  const inputs = (rows[0]?.inputs ?? []).map((input, index) =>
    joinRows(
      members.map((member) => member.inputs[index] ?? input),
      size,
    ),
  );
  let leastMs = Number.POSITIVE_INFINITY;
  let spentMs = 0;
  for (let done = 0; done === 0 || (done < wantedRuns(leastMs, iterations) && hasTimeFor(leastMs)); done++) {
    try {
      const { outputs, timing } = await run(inputs.map(copyTensor));
      const why = done === 0 ? whyDifferent(outputs, members) : undefined;
      if (why !== undefined) return { kind: "different", why };
      leastMs = Math.min(leastMs, timing.computeMs);
      spentMs += timing.computeMs;
    } catch (error) {
      if (isAboutInputs(error)) return { kind: "failed", why: `${size} rows together are refused: ${error.message}` };
      throw error;
    }
  }
  return { kind: "same", computeMs: leastMs, spentMs };
}

function wantedRuns(runMs: number, iterations: number): number {
  return runMs < REPEAT_BELOW_MS ? Math.max(REPETITIONS, iterations) : iterations;
}

function whyDifferent(outputs: readonly Tensor[], members: readonly AnsweredRow[]): string | undefined {
  const misfit = findMisfit(outputs, members.length);
  if (misfit !== undefined)
    return `${members.length} rows gave ${misfit.shape[0] ?? "no"} of output ${JSON.stringify(misfit.name)}`;
  for (const [row, member] of members.entries()) {
    const name = findDifference(member.outputs, viewOutputs(outputs, row, row + 1));
    if (name !== undefined)
      return `output ${JSON.stringify(name)} of a row is different when ${members.length} rows are run together`;
  }
  return undefined;
}

/** Whether one of the last two doublings was better. */
function isStillGaining(costs: readonly RunCost[]): boolean {
  const rowCosts = costs.map(({ rows, computeMs }) => computeMs / rows);
  const best = Math.min(...rowCosts.slice(0, -2));
  return rowCosts.slice(-2).some((cost) => cost < best * GAIN);
}

const ABOUT_INPUTS: ReadonlySet<string> = new Set(["InvalidArgument", "Internal", "DeadlineExceeded"]);

/** Not that the model is gone, or is not wanted any more. */
function isAboutInputs(error: unknown): error is ServingError {
  return error instanceof ServingError && ABOUT_INPUTS.has(error.code);
}
