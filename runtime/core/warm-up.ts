import { BatchShape, whyUnbatchable } from "../batching/batch-shape.ts";
import { copyTensor, viewRows } from "../batching/tensor-rows.ts";
import { tryBatches, type BatchTrial } from "../batching/try-batches.ts";
import { ReplicaFailureError, ServingError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import type { InferenceResult, LoadedModel } from "./servable.ts";
import { hasChosenLengths, SYNTHETIC_LENGTHS, syntheticInputs, variedInputs } from "./synthetic-request.ts";
import type { Signature, Tensor } from "./tensor.ts";

/** How a model is warmed up, and for how long at most. */
export interface WarmUpOptions {
  /** How often each request is made, and each size of a batch; 0 skips all of it. */
  readonly iterations: number;
  /** The inputs of requests, which fit the signature; without any, synthetic ones are made. */
  readonly requests: readonly (readonly Tensor[])[];
  /** Rows that may be run together; 1 for requests that are run one by one. */
  readonly maxBatchSize: number;
  /** For each request. */
  readonly warmupTimeoutMs: number;
  /** For all of it. Every request is made once, however long that takes. */
  readonly budgetMs: number;
  readonly clock: Clock;
}

/** What the warm-up has shown of a model that answers. */
export type WarmUpOutcome =
  | BatchTrial
  /** Signature, configuration or a skipped warm-up say that requests are run one by one. */
  | { readonly kind: "untried" }
  /** No request could be made up that the model answers: it needs given ones. It is not known whether it works. */
  | { readonly kind: "unwarmed"; readonly why: string };

/** Different rows that are run together to see whether each is answered as if it were alone. */
const MAX_ROWS = 4;

/**
 * Lets a model answer requests, so that no client waits for what only the first ones cost, and finds out whether rows can
 * be run together. Throws ReplicaFailureError (WarmupFailed) if it does not answer, also when `signal` aborts.
 */
export async function warmUp(model: LoadedModel, options: WarmUpOptions, signal: AbortSignal): Promise<WarmUpOutcome> {
  const { iterations, clock, budgetMs, maxBatchSize, requests: given } = options;
  const { signature } = model;
  if (iterations === 0) return { kind: "untried" };
  const endMs = clock.now() + budgetMs;
  const hasTimeFor = (ms: number): boolean => clock.now() + ms < endMs;
  const run = (inputs: readonly Tensor[]): Promise<InferenceResult> => runOnce(model, inputs, options, signal);
  const { instances } = model.execution();
  const repeat = async (inputs: readonly Tensor[]): Promise<void> => {
    for (let done = 0; done === 0 || (done < iterations && hasTimeFor(0)); done++)
      // Each copy of the model has a first time of its own.
      await Promise.all(Array.from({ length: instances }, () => run(inputs.map(copyTensor))));
  };
  let rows: (readonly Tensor[])[];
  if (given.length > 0) {
    for (const [index, inputs] of given.entries())
      await orFailure(`warm-up request ${index + 1} of ${given.length}`, repeat(inputs));
    rows = givenRows(given, signature);
  } else {
    const length = await findLength(signature, repeat);
    if (typeof length === "string") return { kind: "unwarmed", why: length };
    rows = syntheticRows(signature, length);
  }
  if (maxBatchSize === 1 || whyUnbatchable(signature) !== undefined) return { kind: "untried" };
  const trial = tryBatches(rows, { signature, maxBatchSize, iterations, hasTimeFor, run });
  return await orFailure("rows that were run together", trial);
}

/**
 * The length of synthetic inputs with which the model answers, or what it said to the first one. Throws
 * ReplicaFailureError if nothing was made up that could be wrong.
 */
async function findLength(
  { inputs }: Signature,
  repeat: (inputs: readonly Tensor[]) => Promise<void>,
): Promise<number | string> {
  const lengths = hasChosenLengths(inputs) ? SYNTHETIC_LENGTHS : [1];
  let firstMessage: string | undefined;
  for (const length of lengths) {
    try {
      await repeat(syntheticInputs(inputs, length));
      return length;
    } catch (error) {
      if (lengths.length === 1 || !isRefusal(error)) throw failureOf("the synthetic request", error);
      firstMessage ??= error.message;
    }
  }
  return firstMessage ?? "";
}

/** Not that the model is gone, or takes too long. */
function isRefusal(error: unknown): error is ServingError {
  return error instanceof ServingError && (error.code === "InvalidArgument" || error.code === "Internal");
}

/** Rows with different values; at the end one of zeros, for models to which the others are nonsense. */
function syntheticRows({ inputs }: Signature, length: number): (readonly Tensor[])[] {
  return [...[1, 2, 3].map((variant) => variedInputs(inputs, variant, length)), syntheticInputs(inputs, length)];
}

/** Rows of the given requests, of one shape. */
function givenRows(requests: readonly (readonly Tensor[])[], signature: Signature): (readonly Tensor[])[] {
  const shape = new BatchShape(signature);
  const rows: (readonly Tensor[])[] = [];
  let key: string | undefined;
  for (const inputs of requests) {
    const count = shape.rowsOf(inputs);
    if (count === undefined || (key ??= shape.keyOf(inputs)) !== shape.keyOf(inputs)) continue;
    for (let row = 0; row < count && rows.length < MAX_ROWS; row++)
      rows.push(inputs.map((input) => copyTensor(viewRows(input, row, row + 1))));
  }
  const [only] = rows;
  return only !== undefined && rows.length === 1 ? [only, only.map(halved)] : rows;
}

/** Another row, of the same kind: the floats are half as large. */
function halved(tensor: Tensor): Tensor {
  if (tensor.datatype !== "FP32" && tensor.datatype !== "FP64") return tensor;
  return { ...tensor, data: tensor.data.map((value) => value / 2) } as Tensor;
}

/** Throws ServingError, DeadlineExceeded after the time for a request. */
async function runOnce(
  model: LoadedModel,
  inputs: readonly Tensor[],
  { clock, warmupTimeoutMs }: WarmUpOptions,
  signal: AbortSignal,
): Promise<InferenceResult> {
  const timeout = new AbortController();
  const ended = new AbortController();
  const outputs = model.signature.outputs.map(({ name }) => name);
  void abortAfter(warmupTimeoutMs, clock, timeout, ended.signal);
  try {
    return await model.infer({ inputs, outputs }, AbortSignal.any([signal, timeout.signal]));
  } finally {
    ended.abort();
  }
}

async function abortAfter(ms: number, clock: Clock, timeout: AbortController, ended: AbortSignal): Promise<void> {
  await clock.wait(ms, ended);
  if (!ended.aborted) timeout.abort(new ServingError("DeadlineExceeded", `it did not answer within ${ms / 1000} s`));
}

async function orFailure<T>(request: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw failureOf(request, error);
  }
}

function failureOf(request: string, cause: unknown): ReplicaFailureError {
  const why = cause instanceof ServingError ? cause.message : "it cannot be made";
  return new ReplicaFailureError("WarmupFailed", `the model could not answer ${request}: ${why}`, { cause });
}
