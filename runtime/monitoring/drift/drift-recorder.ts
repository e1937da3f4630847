import type { ProfileDrift } from "../../../common/drift/assess-drift.ts";
import type { Profile } from "../../../common/drift/profile.ts";
import type { Logger } from "../../../common/logger.ts";
import type { ReplicaDrift } from "../../../common/monitoring-api.ts";
import type { DriftConfig } from "../../../common/runtime-config.ts";
import type { ServableId, ServableView } from "../../core/servable.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { InferenceTap, TapContext, TappedRequest } from "../../serving/inference-tap.ts";
import { featurePlanOf, rowWeightOf, type TensorPlan } from "./feature-plan.ts";
import { readPublishedProfile, type ProfileError } from "./published-profile.ts";
import { sampleValues, type RowChoice, type SampledValues } from "./sampled-values.ts";
import { VersionDrift } from "./version-drift.ts";

/** Of one request, so many rows are looked at: rows of one request are more alike than others. */
const MAX_ROWS_OF_REQUEST = 8;
/** So many rows may come at once after a pause, as a part of a second's. */
const BURST = 0.1;
/** Requests whose values wait to be counted. */
const MAX_QUEUE = 256;
/** How long, in ms, they wait: many at once cost less than each by itself. */
const COUNT_AFTER_MS = 50;

/** A model that is watched. */
export interface WatchedModel {
  readonly name: string;
  readonly drift: DriftConfig;
  /** Whether this replica makes the references of versions that have none; otherwise they are assigned. */
  readonly learnsItself: boolean;
}

export interface DriftRecorderOptions {
  readonly models: readonly WatchedModel[];
  /** Rows that are looked at, of all models together; wide ones count as several ({@link rowWeightOf}). */
  readonly rowsPerSecond: number;
  readonly logger: Logger;
  /** In ms; default: performance.now. */
  readonly now?: () => number;
  /** From 0 to 1; default: Math.random. */
  readonly random?: () => number;
}

/** A version of a watched model, from the moment that it is loaded. */
interface WatchedVersion {
  readonly model: WatchedModel;
  readonly id: ServableId;
  /** Undefined while its profile is read. */
  published: { readonly profile: Profile | undefined } | undefined;
  /** A reference that came before the first request. */
  assigned: Profile | undefined;
  /** The learning that what is learned belongs to, and the reference that was made of it. */
  relearn: string;
  /** The three since the first request. */
  plans: readonly TensorPlan[];
  rowWeight: number;
  drift: VersionDrift | undefined;
  /** Undefined before it answers. */
  digest: string | undefined;
}

/** What the operator says of the reference of a version. */
export interface AssignedReference {
  readonly version: number;
  readonly digest: string;
  /** Undefined: it is to be learned anew. */
  readonly profile: Profile | undefined;
  /** Names the learning. Default: the first one. */
  readonly relearn?: string | undefined;
}

/** Rows that were looked at, and those that were not as too many waited, of one model since the process began. */
export interface SampledRows {
  readonly model: string;
  readonly sampled: number;
  readonly dropped: number;
}

/**
 * Looks at a sample of what models are asked and answer. On the way of a request it only copies the values of a few rows; they are
 * counted later, many at once.
 */
export class DriftRecorder implements InferenceTap, Disposable {
  readonly #options: DriftRecorderOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #models: ReadonlyMap<string, WatchedModel>;
  readonly #versions = new Map<string, WatchedVersion>();
  readonly #rows = new Map<string, { sampled: number; dropped: number }>();
  #queue: { readonly version: WatchedVersion; readonly samples: SampledValues[]; readonly rows: number }[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** When the next row may be looked at, of {@link #now}. */
  #nextAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: DriftRecorderOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#random = options.random ?? Math.random;
    const watched = options.models.filter(({ drift }) => drift.enabled && options.rowsPerSecond > 0);
    this.#models = new Map(watched.map((model) => [model.name, model]));
    for (const { name } of watched) this.#rows.set(name, { sampled: 0, dropped: 0 });
  }

  /** Whether any model is watched: otherwise requests have nothing to call. */
  get isOn(): boolean {
    return this.#models.size > 0;
  }

  /** A version is on its way: its profile is read. Resolves when it was, whatever came of it. */
  async loading(id: ServableId, modelFile: string): Promise<void> {
    const model = this.#models.get(id.name);
    if (model === undefined) return;
    const version: WatchedVersion = {
      model,
      id,
      published: undefined,
      assigned: undefined,
      relearn: "",
      plans: [],
      rowWeight: 1,
      drift: undefined,
      digest: undefined,
    };
    this.#versions.set(keyOf(id), version);
    const profile = await readPublishedProfile(modelFile).catch((error: unknown) => this.#ignoreProfile(id, error));
    version.published = { profile };
  }

  /** The version answers. */
  available(id: ServableId, digest: string): void {
    const version = this.#versions.get(keyOf(id));
    if (version !== undefined) version.digest = digest;
  }

  /** Nothing is left of the version. */
  unloaded(id: ServableId): void {
    this.#versions.delete(keyOf(id));
  }

  begin(servable: ServableView, inputs: readonly Tensor[], _context: TapContext): TappedRequest | undefined {
    const nowMs = this.#now();
    if (nowMs < this.#nextAtMs) return undefined;
    const version = this.#versions.get(keyOf(servable.id));
    if (version?.published === undefined) return undefined;
    version.drift ??= this.#open(version, version.published.profile, servable);
    const rows = inputs[0]?.shape[0] ?? 1;
    const choice = this.#choose(rows, version.rowWeight, nowMs);
    if (choice.count === 0) return undefined;
    if (this.#queue.length >= MAX_QUEUE) {
      const counted = this.#rows.get(servable.id.name);
      if (counted !== undefined) counted.dropped += choice.count;
      return undefined;
    }
    const samples: SampledValues[] = [];
    const take = (side: "input" | "output", tensors: readonly Tensor[]): void => {
      for (const plan of version.plans) {
        if (plan.side !== side) continue;
        const tensor = tensors.find(({ name }) => name === plan.tensor);
        const sampled = tensor === undefined ? undefined : sampleValues(plan, tensor, rows, choice);
        if (sampled !== undefined) samples.push(sampled);
      }
    };
    take("input", inputs);
    return {
      answered: (outputs) => {
        take("output", outputs);
        this.#keep({ version, samples, rows: choice.count });
      },
      // What was asked counts, whatever became of it.
      failed: () => this.#keep({ version, samples, rows: choice.count }),
    };
  }

  /**
   * A reference for a version that was published without one; without a profile it is to be learned anew, from now on, unless
   * that learning has begun. False: there is no such version here.
   */
  assign(model: string, { version, digest, profile, relearn = "" }: AssignedReference): boolean {
    const watched = this.#versions.get(keyOf({ name: model, version }));
    if (watched?.digest !== digest) return false;
    // What has come by now is of what was before.
    this.#countAll();
    if (profile !== undefined) {
      if (watched.drift === undefined) watched.assigned = profile;
      else watched.drift.assign(profile);
    } else if (watched.relearn !== relearn) {
      watched.assigned = undefined;
      watched.drift?.learnAnew();
    }
    watched.relearn = relearn;
    return true;
  }

  /** The reference with this hash that some version is counted by. */
  profile(hash: string): Profile | undefined {
    for (const { drift } of this.#versions.values()) {
      const found = drift?.profile(hash);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What is known of a version's data. */
  describe(model: string, version: number): ReplicaDrift {
    const watched = this.#versions.get(keyOf({ name: model, version }));
    if (watched === undefined) return { state: "Off" };
    this.#countAll();
    const drift = watched.drift?.describe() ?? { state: "Learning", rows: 0, features: [] };
    return watched.relearn === "" ? drift : { ...drift, relearn: watched.relearn };
  }

  /** How versions differ from their references, as far as this replica has seen them. */
  assess(): { readonly id: ServableId; readonly drift: ProfileDrift }[] {
    this.#countAll();
    return [...this.#versions.values()].flatMap(({ id, drift }) => {
      const assessed = drift?.assess();
      return assessed === undefined ? [] : [{ id, drift: assessed }];
    });
  }

  sampledRows(): SampledRows[] {
    return [...this.#rows].map(([model, counted]) => ({ model, ...counted }));
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  /** Rows of a request that may be looked at, evenly spread over it; none where too many were just before. */
  #choose(rows: number, weight: number, nowMs: number): RowChoice {
    const intervalMs = (1_000 * weight) / this.#options.rowsPerSecond;
    const earliestMs = Math.max(this.#nextAtMs, nowMs - Math.max(intervalMs, 1_000 * BURST));
    const allowed = Math.max(1, Math.floor((nowMs - earliestMs) / intervalMs));
    const count = Math.min(rows, allowed, MAX_ROWS_OF_REQUEST);
    this.#nextAtMs = earliestMs + count * intervalMs;
    const step = count === 0 ? 1 : Math.floor(rows / count);
    const first = Math.floor(this.#random() * (rows - step * Math.max(0, count - 1)));
    return { first, step, count };
  }

  #open(version: WatchedVersion, published: Profile | undefined, servable: ServableView): VersionDrift {
    version.plans = featurePlanOf(servable.signature, servable.state);
    version.rowWeight = rowWeightOf(version.plans);
    const { drift: config, learnsItself } = version.model;
    const drift = new VersionDrift({ config, learnsItself, published, plans: version.plans });
    if (version.assigned !== undefined) drift.assign(version.assigned);
    const unknown = drift.unknownFeatures;
    if (unknown.length > 0) {
      const about = { model: version.id.name, version: version.id.version, features: unknown.slice(0, 10) };
      this.#options.logger.warn(
        about,
        "the published profile has features that the model has not: they are not watched",
      );
    }
    return drift;
  }

  #keep(request: { version: WatchedVersion; samples: SampledValues[]; rows: number }): void {
    this.#queue.push(request);
    this.#timer ??= setTimeout(() => this.#countAll(), COUNT_AFTER_MS).unref();
  }

  #countAll(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const queue = this.#queue;
    this.#queue = [];
    for (const { version, samples, rows } of queue) {
      version.drift?.add(samples, rows);
      const counted = this.#rows.get(version.id.name);
      if (counted !== undefined) counted.sampled += rows;
    }
  }

  #ignoreProfile({ name, version }: ServableId, error: unknown): undefined {
    const { message } = error as ProfileError;
    this.#options.logger.warn(
      { model: name, version },
      `lockstep-profile.json ${message}: it is ignored, and drift is measured against the first requests`,
    );
    return undefined;
  }
}

function keyOf({ name, version }: ServableId): string {
  return `${name} ${version}`;
}
