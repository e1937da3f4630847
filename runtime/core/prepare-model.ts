import type { ModelConfig } from "../../common/runtime-config.ts";
import { createBatchedModel } from "../batching/batched-model.ts";
import type { Clock } from "./clock.ts";
import type { FetchedVersion } from "./repository.ts";
import type { LoadedModel, ServableView } from "./servable.ts";
import type { Tensor } from "./tensor.ts";
import { warmUp } from "./warm-up.ts";

/** What making a model ready depends on, beside the model. */
export interface PrepareModelOptions {
  readonly config: ModelConfig;
  readonly clock: Clock;
  /** A warm-up request that takes longer has failed. */
  readonly warmupTimeoutMs: number;
  /**
   * The inputs of the requests that a version is warmed up with, as given by its configuration and files. Throws
   * ReplicaFailureError. Default: none are given.
   */
  readonly readWarmUpRequests?: (
    version: FetchedVersion,
    config: ModelConfig,
    target: Pick<ServableView, "signature" | "state">,
  ) => Promise<readonly (readonly Tensor[])[]>;
  /** Calls back when all that has arrived by now has been read, such as setImmediate. */
  readonly afterTurn: (callback: () => void) => void;
}

/** Told what is worth knowing of a model, at most once each. */
export interface PreparationObserver {
  /** Its rows are not independent, or that could not be found out, although signature and configuration allow batches. */
  unbatchable(why: string): void;
  /** It answers none of the requests that were made up, which may be their fault. */
  unwarmed(why: string): void;
}

/** For all of a version's warm-up, but that every given request is made once. */
const WARM_UP_BUDGET_MS = 10_000;

/**
 * Makes of a loaded model, which it takes over, what requests are to find: warm, and behind a queue that runs together
 * what can be. Throws ReplicaFailureError (WarmupFailed); then the model is still the caller's.
 */
export async function prepareModel(
  model: LoadedModel,
  fetched: FetchedVersion,
  options: PrepareModelOptions,
  observer: PreparationObserver,
  signal: AbortSignal,
): Promise<LoadedModel> {
  const { config, clock, afterTurn, readWarmUpRequests, warmupTimeoutMs } = options;
  const { iterations } = config.warmup;
  const target = { signature: model.signature, state: config.state };
  const requests = iterations === 0 ? undefined : await readWarmUpRequests?.(fetched, config, target);
  const outcome = await warmUp(
    model,
    {
      iterations,
      requests: requests ?? [],
      maxBatchSize: config.batcher.maxBatchSize,
      warmupTimeoutMs,
      budgetMs: WARM_UP_BUDGET_MS,
      clock,
    },
    signal,
  );
  if (outcome.kind === "unbatchable") observer.unbatchable(outcome.why);
  if (outcome.kind === "unwarmed") observer.unwarmed(outcome.why);
  const batching = outcome.kind === "batchable" ? outcome.knowledge : undefined;
  return createBatchedModel(model, {
    limits: config.batcher,
    batching,
    clock,
    afterTurn,
    onUnbatchable: (why) => observer.unbatchable(why),
  });
}
