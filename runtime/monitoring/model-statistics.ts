import type { RunObservation, ServableId } from "../core/servable.ts";
import type { InferenceMetrics } from "./request-metrics.ts";

/** How often, and for how long in total. */
export interface DurationCount {
  readonly count: number;
  readonly totalMs: number;
}

/** What has happened to one version since it was loaded. */
export interface VersionStatistics {
  readonly id: ServableId;
  /** When the last request was answered, in ms since 1970; 0 before the first. */
  readonly lastInferenceMs: number;
  /** Rows that were answered. */
  readonly inferenceCount: number;
  /** Runs in the inference library. */
  readonly executionCount: number;
  readonly success: DurationCount;
  readonly fail: DurationCount;
  readonly queue: DurationCount;
  /** Reading requests. */
  readonly decode: DurationCount;
  readonly compute: DurationCount;
  /** Writing answers. */
  readonly encode: DurationCount;
  /** Requests that are being answered. */
  readonly pending: number;
  /** Runs by their number of rows, ascending. */
  readonly batches: readonly ({ readonly rows: number } & DurationCount)[];
}

/** A request that a version has answered, or could not. */
export type InferenceObservation =
  | { readonly ok: false; readonly totalMs: number }
  | {
      readonly ok: true;
      readonly totalMs: number;
      readonly rows: number;
      readonly queueMs: number;
      readonly decodeMs: number;
      readonly computeMs: number;
      readonly encodeMs: number;
    };

/** What all versions together have done since the process began, also those that were unloaded since. */
export interface WorkSums {
  /** How long requests that were answered have waited for their turn, in ms, and how many they were. */
  readonly queueMs: number;
  readonly queued: number;
  /** How long runs took, in ms. */
  readonly computeMs: number;
}

/** What the protocols may read of the statistics. */
export interface ModelStatisticsReader {
  /** Undefined for a version that nothing has happened to. */
  of(id: ServableId): VersionStatistics | undefined;
}

/** Sizes of runs that are told apart: requests that are run alone have whatever size their clients like. */
const MAX_EXACT_SIZES = 256;

class Duration {
  count = 0;
  totalMs = 0;

  add(durationMs: number): void {
    this.count++;
    this.totalMs += durationMs;
  }
}

class Counts {
  lastInferenceMs = 0;
  inferenceCount = 0;
  executionCount = 0;
  pending = 0;
  readonly success = new Duration();
  readonly fail = new Duration();
  readonly queue = new Duration();
  readonly decode = new Duration();
  readonly compute = new Duration();
  readonly encode = new Duration();
  readonly batches = new Map<number, Duration>();
}

/** Counts for each version what clients may ask for: sums since it was loaded. Its calls are cheap. */
export class ModelStatistics implements ModelStatisticsReader {
  readonly #versions = new Map<string, Map<number, Counts>>();
  readonly #metrics: InferenceMetrics | undefined;
  readonly #sums = { queueMs: 0, queued: 0, computeMs: 0 };

  /** `metrics` are told of every request as well: they are not forgotten with its version. */
  constructor(metrics?: InferenceMetrics) {
    this.#metrics = metrics;
  }

  /** Goes on changing. */
  get sums(): WorkSums {
    return this.#sums;
  }

  /** Counts a request; `nowMs` is the time since 1970. */
  observeInference(id: ServableId, observation: InferenceObservation, nowMs: number): void {
    this.#metrics?.observeInference(id, observation);
    const counts = this.#countsOf(id);
    if (!observation.ok) {
      counts.fail.add(observation.totalMs);
      return;
    }
    this.#sums.queueMs += observation.queueMs;
    this.#sums.queued++;
    counts.lastInferenceMs = nowMs;
    counts.inferenceCount += observation.rows;
    counts.success.add(observation.totalMs);
    counts.queue.add(observation.queueMs);
    counts.decode.add(observation.decodeMs);
    counts.compute.add(observation.computeMs);
    counts.encode.add(observation.encodeMs);
  }

  /** Counts a run. Where there are very many different sizes, the number of rows of a new one is rounded up to a power of 2. */
  observeRun(id: ServableId, { rows, computeMs }: RunObservation): void {
    this.#sums.computeMs += computeMs;
    const counts = this.#countsOf(id);
    counts.executionCount++;
    let batch = counts.batches.get(rows);
    if (batch === undefined) {
      const size = counts.batches.size < MAX_EXACT_SIZES ? rows : 2 ** Math.ceil(Math.log2(rows));
      batch = counts.batches.get(size) ?? new Duration();
      counts.batches.set(size, batch);
    }
    batch.add(computeMs);
  }

  /** A request begins to be answered; {@link end} follows once. */
  begin(id: ServableId): void {
    this.#countsOf(id).pending++;
    this.#metrics?.begin(id.name);
  }

  end(id: ServableId): void {
    this.#countsOf(id).pending--;
    this.#metrics?.end(id.name);
  }

  /** A request waits before a version is chosen for it; {@link release} follows once. */
  hold(model: string): void {
    this.#metrics?.begin(model);
  }

  release(model: string): void {
    this.#metrics?.end(model);
  }

  /** Of all versions that something has happened to. */
  all(): readonly VersionStatistics[] {
    return [...this.#versions].flatMap(([name, versions]) =>
      [...versions.keys()].flatMap((version) => this.of({ name, version }) ?? []),
    );
  }

  /** Forgets a version that was unloaded. */
  forget(id: ServableId): void {
    this.#versions.get(id.name)?.delete(id.version);
  }

  of(id: ServableId): VersionStatistics | undefined {
    const counts = this.#versions.get(id.name)?.get(id.version);
    if (counts === undefined) return undefined;
    const { batches: unsorted, ...sums } = Object.assign({}, counts);
    const batches = [...unsorted].sort(([a], [b]) => a - b);
    return { id, ...sums, batches: batches.map(([rows, { count, totalMs }]) => ({ rows, count, totalMs })) };
  }

  #countsOf(id: ServableId): Counts {
    let versions = this.#versions.get(id.name);
    if (versions === undefined) {
      versions = new Map();
      this.#versions.set(id.name, versions);
    }
    let counts = versions.get(id.version);
    if (counts === undefined) {
      counts = new Counts();
      versions.set(id.version, counts);
    }
    return counts;
  }
}
