import type { ServableId, Servables } from "../../core/servable.ts";
import { ServingError } from "../../errors.ts";
import type { DurationCount, ModelStatisticsReader, VersionStatistics } from "../../monitoring/model-statistics.ts";
import { statusOf } from "./metadata.ts";

/** How often, and for how long in total, in ns. */
export interface StatisticDuration {
  readonly count: number;
  readonly ns: number;
}

/** What the protocol's statistics extension tells of one version, with its names; since the version was loaded. */
export interface VersionStatisticsReport {
  readonly name: string;
  readonly version: string;
  /** In ms since 1970; 0 before the first. */
  readonly last_inference: number;
  /** Rows. */
  readonly inference_count: number;
  /** Runs in the inference library. */
  readonly execution_count: number;
  readonly inference_stats: {
    readonly success: StatisticDuration;
    readonly fail: StatisticDuration;
    readonly queue: StatisticDuration;
    readonly compute_input: StatisticDuration;
    readonly compute_infer: StatisticDuration;
    readonly compute_output: StatisticDuration;
    readonly cache_hit: StatisticDuration;
    readonly cache_miss: StatisticDuration;
  };
  readonly batch_stats: readonly {
    readonly batch_size: number;
    readonly compute_input: StatisticDuration;
    readonly compute_infer: StatisticDuration;
    readonly compute_output: StatisticDuration;
  }[];
}

/** What `GET /v2/models[/{model}[/versions/{version}]]/stats` and the call ModelStatistics answer. */
export interface ModelStatisticsReport {
  readonly model_stats: readonly VersionStatisticsReport[];
}

/** Whose statistics are wanted. Without a model those of all, without a version those of all that are loaded. */
export interface StatisticsTarget {
  readonly model?: string;
  readonly version?: number;
}

/** Reports statistics of loaded versions. Throws ServingError: NotFound, Unavailable for a version that is not loaded. */
export function statisticsReport(
  { servables, statistics }: { readonly servables: Servables; readonly statistics: ModelStatisticsReader },
  target: StatisticsTarget = {},
): ModelStatisticsReport {
  return { model_stats: idsOf(servables, target).map((id) => reportOf(id, statistics.of(id))) };
}

function idsOf(servables: Servables, { model, version }: StatisticsTarget): ServableId[] {
  const models = model === undefined ? servables.models() : [statusOf(servables, model)];
  if (version !== undefined) {
    const versions = models[0]?.versions ?? [];
    if (!versions.some((each) => each.version === version)) {
      throw new ServingError("NotFound", "version: expected a served one, got another");
    }
    if (models[0]?.availableVersions.includes(version) !== true) {
      throw new ServingError("Unavailable", "version: expected a loaded one, got one that is not loaded");
    }
  }
  return models.flatMap(({ name, availableVersions }) =>
    availableVersions
      .filter((each) => version === undefined || each === version)
      .map((each) => ({ name, version: each })),
  );
}

const NEVER: StatisticDuration = { count: 0, ns: 0 };

function reportOf({ name, version }: ServableId, counts: VersionStatistics | undefined): VersionStatisticsReport {
  return {
    name,
    version: String(version),
    last_inference: counts?.lastInferenceMs ?? 0,
    inference_count: counts?.inferenceCount ?? 0,
    execution_count: counts?.executionCount ?? 0,
    inference_stats: {
      success: durationOf(counts?.success),
      fail: durationOf(counts?.fail),
      queue: durationOf(counts?.queue),
      compute_input: durationOf(counts?.decode),
      compute_infer: durationOf(counts?.compute),
      compute_output: durationOf(counts?.encode),
      // There is no cache.
      cache_hit: NEVER,
      cache_miss: NEVER,
    },
    batch_stats: (counts?.batches ?? []).map((batch) => ({
      batch_size: batch.rows,
      // Reading and writing is not of a batch, but of each request in it.
      compute_input: NEVER,
      compute_infer: durationOf(batch),
      compute_output: NEVER,
    })),
  };
}

function durationOf(duration: DurationCount | undefined): StatisticDuration {
  return duration === undefined ? NEVER : { count: duration.count, ns: Math.round(duration.totalMs * 1e6) };
}
