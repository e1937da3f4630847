import type { FeedbackConfig } from "../../../common/runtime-config.ts";
import type { Outcome, OutcomeSums } from "../../../common/monitoring-api.ts";
import type { ServableView } from "../../core/servable.ts";
import type { Signature, Tensor } from "../../core/tensor.ts";
import type { TapContext, TappedRequest } from "../../serving/inference-tap.ts";
import { detachedText } from "../../serving/request-id.ts";
import { compareOutcome } from "./outcome-comparison.ts";
import { PredictionMemory, type Prediction } from "./prediction-memory.ts";
import { predictionOutputOf } from "./prediction-plan.ts";
import { predictedRowsOf, type PredictedRows } from "./predicted-rows.ts";
import { StrayOutcomes } from "./stray-outcomes.ts";
import { VersionOutcomes } from "./version-outcomes.ts";

/** Versions whose outcomes are kept: numbers grow, and the lowest are forgotten. */
const MAX_VERSIONS = 64;

/** What becomes of an outcome. `expired`: nobody here knew its prediction for so long that it was given up. */
export const FEEDBACK_RESULTS = ["joined", "waiting", "duplicate", "refused", "expired"] as const;
export type FeedbackResult = (typeof FEEDBACK_RESULTS)[number];

/** Told of outcomes: `version` is undefined where no prediction is known. */
export interface FeedbackObserver {
  feedback(model: string, version: number | undefined, result: FeedbackResult, count: number): void;
  /** By how much the sums of a version grew. */
  outcomes(model: string, version: number, sums: OutcomeSums): void;
}

/** What is answered for an outcome. */
export interface Reception {
  readonly result: Exclude<FeedbackResult, "expired">;
  /** Why it was refused. */
  readonly problem?: string;
}

/** Predictions of one model, and the outcomes that came for them. */
export class ModelFeedback {
  readonly #model: string;
  readonly #config: FeedbackConfig;
  readonly #observer: FeedbackObserver;
  readonly #memory: PredictionMemory<WatchedPrediction>;
  readonly #versions = new Map<number, VersionOutcomes>();
  readonly strays = new StrayOutcomes();
  #latest: VersionOutcomes | undefined;
  #signature: Signature | undefined;
  #output: string | undefined;

  constructor(model: string, config: FeedbackConfig, observer: FeedbackObserver) {
    this.#model = model;
    this.#config = config;
    this.#observer = observer;
    this.#memory = new PredictionMemory(config.maxPredictions);
  }

  /** Rows whose predictions are remembered. */
  get rows(): number {
    return this.#memory.rows;
  }

  /** Begins to watch a request; undefined if nobody could name it, or the model predicts nothing that can be compared. */
  begin(servable: ServableView, context: TapContext): TappedRequest | undefined {
    if (context.requestId === "" && context.clientId === undefined) return undefined;
    if (servable.signature !== this.#signature) {
      this.#signature = servable.signature;
      this.#output = predictionOutputOf(servable.signature, this.#config.output);
    }
    if (this.#output === undefined) return undefined;
    return new WatchedPrediction(this.#memory, this.#output, this.#versionOf(servable), context);
  }

  /** Brings the index up to date, a few thousand predictions at a time; false if there are more. */
  index(): boolean {
    return this.#memory.index((prediction) => {
      if (this.strays.size > 0) this.#joinStrays(prediction);
    });
  }

  /** Takes an outcome. The index must be up to date. `version` is the one that the prediction should be of, if that was said. */
  take(outcome: Outcome, version: number | undefined, nowMs: number): Reception {
    const prediction = this.#memory.find(outcome.requestId);
    if (prediction !== undefined) return this.#join(prediction, outcome, version);
    if (this.strays.has(outcome.requestId)) return this.#tell(undefined, { result: "duplicate" });
    const givenUp = this.strays.add(outcome, nowMs);
    if (givenUp > 0) this.#observer.feedback(this.#model, undefined, "expired", givenUp);
    return this.#tell(undefined, { result: "waiting" });
  }

  /** Joins an outcome that another replica was told, if its prediction is known here. The index must be up to date. */
  takeForwarded(outcome: Outcome): void {
    const prediction = this.#memory.find(outcome.requestId);
    if (prediction !== undefined) this.#join(prediction, outcome, undefined);
  }

  /** Gives up outcomes that are too old. */
  expire(nowMs: number): void {
    const givenUp = this.strays.expire(nowMs);
    if (givenUp > 0) this.#observer.feedback(this.#model, undefined, "expired", givenUp);
  }

  /** Undefined for a version whose predictions were never watched. */
  describe(version: number): OutcomeSums | undefined {
    return this.#versions.get(version)?.sums;
  }

  #joinStrays(prediction: WatchedPrediction): void {
    for (const id of [prediction.requestId, prediction.clientId]) {
      const outcome = id === undefined || id === "" ? undefined : this.strays.take(id);
      if (outcome !== undefined) this.#join(prediction, outcome, undefined);
    }
  }

  #join(prediction: WatchedPrediction, outcome: Outcome, wanted: number | undefined): Reception {
    const { version } = prediction.version;
    if (prediction.hasOutcome) return this.#tell(version, { result: "duplicate" });
    if (wanted !== undefined && wanted !== version)
      return this.#tell(version, {
        result: "refused",
        problem: `id: expected one of a prediction of version ${wanted}, got one of version ${version}`,
      });
    if (prediction.predicted === undefined) throw new Error("unreachable: what is found is not forgotten");
    const compared = compareOutcome(prediction.predicted, outcome.values);
    if ("problem" in compared) return this.#tell(version, { result: "refused", problem: compared.problem });
    prediction.hasOutcome = true;
    prediction.version.add(compared);
    this.#observer.outcomes(this.#model, version, compared);
    return this.#tell(version, { result: "joined" });
  }

  #tell(version: number | undefined, reception: Reception): Reception {
    this.#observer.feedback(this.#model, version, reception.result, 1);
    return reception;
  }

  #versionOf({ id: { version }, digest }: ServableView): VersionOutcomes {
    if (this.#latest?.version === version && this.#latest.digest === digest) return this.#latest;
    let found = this.#versions.get(version);
    if (found?.digest !== digest) {
      found = new VersionOutcomes(version, digest);
      this.#versions.set(version, found);
      if (this.#versions.size > MAX_VERSIONS) this.#versions.delete(Math.min(...this.#versions.keys()));
    }
    this.#latest = found;
    return found;
  }
}

/** A request that is watched, and then what it predicted: one object, as there is one for each request. */
class WatchedPrediction implements Prediction, TappedRequest {
  requestId: string;
  clientId: string | undefined;
  readonly version: VersionOutcomes;
  predicted: PredictedRows | undefined;
  hasOutcome = false;
  readonly #memory: PredictionMemory<WatchedPrediction>;
  readonly #output: string;

  constructor(
    memory: PredictionMemory<WatchedPrediction>,
    output: string,
    version: VersionOutcomes,
    { requestId, clientId }: TapContext,
  ) {
    this.requestId = requestId;
    this.clientId = clientId;
    this.version = version;
    this.#memory = memory;
    this.#output = output;
  }

  answered(outputs: readonly Tensor[]): void {
    for (const output of outputs) {
      if (output.name !== this.#output) continue;
      this.predicted = predictedRowsOf(output);
      if (this.predicted === undefined) return;
      this.requestId = detachedText(this.requestId);
      if (this.clientId !== undefined) this.clientId = detachedText(this.clientId);
      this.#memory.add(this);
      return;
    }
  }

  failed(): void {
    // Nothing was predicted.
  }
}
