import type { ForwardedOutcomes, Outcome, OutcomeSums, ReplicaMonitoring } from "../../../common/monitoring-api.ts";
import type { ModelConfig } from "../../../common/runtime-config.ts";
import type { ServableView } from "../../core/servable.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { InferenceTap, TapContext, TappedRequest } from "../../serving/inference-tap.ts";
import { ModelFeedback, type FeedbackObserver, type Reception } from "./model-feedback.ts";

/** How often, in ms, outcomes that came before their predictions are looked after. */
const SWEEP_MS = 1_000;

/** What feedback works with. */
export interface FeedbackOptions {
  readonly models: readonly Pick<ModelConfig, "name" | "feedback">[];
  readonly observer: FeedbackObserver;
  /** In ms, monotonic. */
  readonly elapsed: () => number;
  /** Resolves when others have had their turn. */
  readonly afterTurn: () => Promise<void>;
}

/** Remembers what models predicted, and compares it with what came true. Dispose of it to stop its timer. */
export class Feedback implements Disposable {
  readonly #models: ReadonlyMap<string, ModelFeedback>;
  readonly #options: FeedbackOptions;
  #timer: NodeJS.Timeout | undefined;
  #isDisposed = false;

  constructor(options: FeedbackOptions) {
    this.#options = options;
    this.#models = new Map(
      options.models
        .filter(({ feedback }) => feedback.enabled)
        .map(({ name, feedback }) => [name, new ModelFeedback(name, feedback, options.observer)]),
    );
  }

  /** Watches predictions; undefined if no model's are remembered. */
  get tap(): InferenceTap | undefined {
    const models = this.#models;
    if (models.size === 0) return undefined;
    return {
      begin: (servable: ServableView, _inputs: readonly Tensor[], context: TapContext): TappedRequest | undefined =>
        models.get(servable.id.name)?.begin(servable, context),
    };
  }

  /** Whether outcomes are taken for a model. */
  isEnabled(model: string): boolean {
    return this.#models.has(model);
  }

  /** Takes outcomes, and says in their order what became of them. For a model of which {@link isEnabled} is true. */
  async take(model: string, version: number | undefined, outcomes: readonly Outcome[]): Promise<Reception[]> {
    const of = this.#models.get(model);
    if (of === undefined) throw new Error("unreachable: feedback is switched off for the model");
    await this.#index(of);
    const receptions = outcomes.map((outcome) => of.take(outcome, version, this.#options.elapsed()));
    if (of.strays.size > 0) this.#sweepLater();
    return receptions;
  }

  /** Takes outcomes that other replicas were told; those whose predictions are not known here are nobody's of ours. */
  async takeForwarded({ model, outcomes }: ForwardedOutcomes): Promise<void> {
    const of = this.#models.get(model);
    if (of === undefined) return;
    await this.#index(of);
    for (const outcome of outcomes) of.takeForwarded(outcome);
  }

  /** How predictions of a version met their outcomes; undefined for one whose predictions are not watched. */
  describe(model: string, version: number): OutcomeSums | undefined {
    return this.#models.get(model)?.describe(version);
  }

  /** Outcomes whose predictions another replica may know. */
  strayOutcomes(model: string): ReplicaMonitoring["models"][number]["strayOutcomes"] {
    return this.#models.get(model)?.strays.list() ?? [];
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  async #index(of: ModelFeedback): Promise<void> {
    while (!of.index()) await this.#options.afterTurn();
  }

  #sweepLater(): void {
    if (this.#isDisposed) return;
    this.#timer ??= setTimeout(() => void this.#sweep(), SWEEP_MS).unref();
  }

  async #sweep(): Promise<void> {
    let areLeft = false;
    for (const of of this.#models.values()) {
      if (of.strays.size === 0) continue;
      await this.#index(of);
      of.expire(this.#options.elapsed());
      areLeft ||= of.strays.size > 0;
    }
    this.#timer = undefined;
    if (areLeft) this.#sweepLater();
  }
}
