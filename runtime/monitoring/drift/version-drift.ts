import { assessDrift, type ProfileDrift } from "../../../common/drift/assess-drift.ts";
import { CategoricalSketch } from "../../../common/drift/categorical-sketch.ts";
import { FeatureCounter } from "../../../common/drift/feature-counter.ts";
import { writeLearning, type LearningFeature } from "../../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../../common/drift/make-profile.ts";
import { NumericSketch } from "../../../common/drift/numeric-sketch.ts";
import type { Profile } from "../../../common/drift/profile.ts";
import type { ReplicaDrift } from "../../../common/monitoring-api.ts";
import type { DriftConfig } from "../../../common/runtime-config.ts";
import { CountWindow } from "./count-window.ts";
import type { FeatureSpec, TensorPlan } from "./feature-plan.ts";
import { feedFeatures, type FeatureSink } from "./feed-features.ts";
import type { SampledValues } from "./sampled-values.ts";

/** A reference with what has been counted by it. */
interface Counting {
  readonly source: "Published" | "Learned";
  readonly profile: Profile;
  readonly hash: string;
  readonly counters: readonly FeatureCounter[];
  readonly window: CountWindow;
  /** Of each planned tensor, the counters of its features. */
  readonly sinks: ReadonlyMap<TensorPlan, readonly (FeatureSink | undefined)[]>;
}

/** What came before there was a reference. */
interface Learning {
  readonly features: readonly (FeatureSpec & { readonly sketch: NumericSketch | CategoricalSketch })[];
  readonly sinks: ReadonlyMap<TensorPlan, readonly FeatureSink[]>;
}

/** How a version is watched. */
export interface VersionDriftOptions {
  readonly config: DriftConfig;
  readonly plans: readonly TensorPlan[];
  /** The reference that was published with the version. */
  readonly published: Profile | undefined;
  /** Whether the replica makes a reference itself, of what comes first. */
  readonly learnsItself: boolean;
}

/** What is known of the data of one version of a model: first what makes a reference, then counts by it. */
export class VersionDrift {
  readonly #options: VersionDriftOptions;
  #rows = 0;
  #learning: Learning | undefined;
  #counting: Counting | undefined;

  constructor(options: VersionDriftOptions) {
    this.#options = options;
    if (options.published === undefined) this.#learning = learningOf(options.plans);
    else this.#count(options.published, "Published");
  }

  /** Names of the published profile's features that this version has none of. */
  get unknownFeatures(): string[] {
    const known = new Set(this.#options.plans.flatMap(({ features }) => features.map(keyOf)));
    return (this.#options.published?.features ?? []).filter((each) => !known.has(keyOf(each))).map(({ name }) => name);
  }

  /** Counts the sampled values of rows of one request. */
  add(samples: readonly SampledValues[], rows: number): void {
    const sinks = this.#counting?.sinks ?? this.#learning?.sinks;
    for (const sample of samples) feedFeatures(sample, sinks?.get(sample.plan) ?? []);
    this.#rows += rows;
    const counting = this.#counting;
    counting?.window.passed(this.#rows, () => counting.counters.map((counter) => counter.read()));
    const { learnsItself, config } = this.#options;
    if (counting === undefined && learnsItself && this.#rows >= config.referenceRows) {
      this.#count(profileOf(this.#learned(), this.#rows), "Learned");
    }
  }

  /** Counts by a reference that somebody else made, unless one was published, or it is the one that is counted by. */
  assign(profile: Profile): void {
    if (this.#counting?.source === "Published" || this.#counting?.hash === profileHash(profile)) return;
    this.#count(profile, "Learned");
  }

  /** Forgets what was learned, and learns from what comes next; a published reference stays. */
  learnAnew(): void {
    if (this.#counting?.source === "Published") return;
    this.#learning = learningOf(this.#options.plans);
    this.#counting = undefined;
    this.#rows = 0;
  }

  /** What is counted by, if it has this hash. */
  profile(hash: string): Profile | undefined {
    return this.#counting?.hash === hash ? this.#counting.profile : undefined;
  }

  describe(): Exclude<ReplicaDrift, { readonly state: "Off" }> {
    if (this.#counting === undefined) return { state: "Learning", rows: this.#rows, features: this.#learned() };
    const { source, hash, counters } = this.#counting;
    const features = counters.map((counter) => {
      const { counts, missing, outOfRange } = counter.read();
      return { counts: [...counts], missing, outOfRange };
    });
    return { state: "Counting", source, profile: hash, rows: this.#rows, features };
  }

  /** How the newest rows of this replica differ from the reference; undefined while there is none. */
  assess(): ProfileDrift | undefined {
    if (this.#counting === undefined) return undefined;
    const { profile, counters, window } = this.#counting;
    const { windowRows, threshold } = this.#options.config;
    const counts = window.of(
      this.#rows,
      counters.map((counter) => counter.read()),
    );
    // A tenth of the window is little, but shows what is grossly wrong.
    return assessDrift(profile, counts, { threshold, minRows: Math.max(50, Math.floor(windowRows / 10)) });
  }

  #learned(): LearningFeature[] {
    return writeLearning(this.#learning?.features ?? []);
  }

  #count(profile: Profile, source: Counting["source"]): void {
    const counters = profile.features.map(({ reference }) => new FeatureCounter(reference));
    const byName = new Map(profile.features.map((feature, at) => [keyOf(feature), counters[at]]));
    const sinks = this.#options.plans.map(
      (plan) => [plan, plan.features.map((feature) => byName.get(keyOf(feature)))] as const,
    );
    const window = new CountWindow(this.#options.config.windowRows);
    this.#counting = { source, profile, hash: profileHash(profile), counters, window, sinks: new Map(sinks) };
    this.#learning = undefined;
    this.#rows = 0;
  }
}

function learningOf(plans: readonly TensorPlan[]): Learning {
  const sinks = new Map<TensorPlan, FeatureSink[]>();
  const features: (FeatureSpec & { sketch: NumericSketch | CategoricalSketch })[] = [];
  for (const plan of plans) {
    const made = plan.features.map((feature) => ({
      ...feature,
      sketch: feature.kind === "numeric" ? new NumericSketch(feature.isInteger) : new CategoricalSketch(),
    }));
    features.push(...made);
    sinks.set(
      plan,
      made.map(({ sketch }) => ({
        addNumber: (value) => (sketch.kind === "numeric" ? sketch.add(value) : sketch.add(String(value))),
        addCategory: (value) => (sketch.kind === "categorical" ? sketch.add(value) : sketch.addMissing()),
      })),
    );
  }
  return { features, sinks };
}

function keyOf({ side, name }: { readonly side: "input" | "output"; readonly name: string }): string {
  return `${side} ${name}`;
}
