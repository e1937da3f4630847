import { ReplicaFailureError, ServingError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import type { LoadedModel } from "./servable.ts";
import { syntheticInputs } from "./synthetic-request.ts";

export interface WarmUpOptions {
  /** How many requests are made, one after the other. */
  readonly iterations: number;
  /** For each of them. */
  readonly warmupTimeoutMs: number;
  readonly clock: Clock;
}

/**
 * Lets a model answer synthetic requests, so that no client waits for what only the first one costs. Throws
 * ReplicaFailureError (WarmupFailed) if it does not answer, also when `signal` aborts.
 */
export async function warmUp(model: LoadedModel, options: WarmUpOptions, signal: AbortSignal): Promise<void> {
  const { iterations, warmupTimeoutMs, clock } = options;
  const outputs = model.signature.outputs.map(({ name }) => name);
  for (let done = 0; done < iterations; done++) {
    const timeout = new AbortController();
    const ended = new AbortController();
    void abortAfter(warmupTimeoutMs, clock, timeout, ended.signal);
    try {
      const either = AbortSignal.any([signal, timeout.signal]);
      await model.infer({ inputs: syntheticInputs(model.signature.inputs), outputs }, either);
    } catch (cause) {
      throw failureOf(cause, timeout.signal.aborted ? warmupTimeoutMs : undefined);
    } finally {
      ended.abort();
    }
  }
}

async function abortAfter(ms: number, clock: Clock, timeout: AbortController, ended: AbortSignal): Promise<void> {
  await clock.wait(ms, ended);
  if (!ended.aborted) timeout.abort();
}

/** `exceededMs` is the time that was not enough; undefined if it was. */
function failureOf(cause: unknown, exceededMs: number | undefined): ReplicaFailureError {
  const own = cause instanceof ServingError ? cause.message : "it cannot be made";
  const why = exceededMs === undefined ? own : `it did not answer within ${exceededMs / 1000} s`;
  return new ReplicaFailureError("WarmupFailed", `the model could not answer the synthetic request: ${why}`, { cause });
}
