import type { Placement } from "../../common/runtime-config.ts";

/** What is known of a model before its first run. */
export interface ModelProfile {
  readonly fileBytes: number;
  /** The CPU time that a thread of its own took to load it. */
  readonly loadMs: number;
  /** Whether the shapes of its inputs say how much a run has to do, whatever is in them. */
  readonly isPredictable: boolean;
}

/** Which models have a place on the serving thread, unless the configuration says so. */
export interface ServingThreadConditions {
  /** Files that are larger are loaded once for each instance, not once more. */
  readonly maxFileBytes: number;
  /** Loading holds up the serving thread. */
  readonly maxLoadMs: number;
  /** How long a model's smallest runs may take. */
  readonly maxSmallestRunMs: number;
}

/** Which models, and which of their runs, the serving thread takes. Everything else runs in threads of its own. */
export interface ServingThreadPolicy {
  /** Undefined if the model has its place there by configuration. */
  readonly conditions: ServingThreadConditions | undefined;
  /** How long a single run may take, as far as one can tell, and about as long all runs of one turn of the event loop. */
  readonly maxRunMs: number;
  /** Once so much waits for the serving thread, runs go elsewhere. */
  readonly maxBacklogMs: number;
}

const MIB = 1024 * 1024;
const ANY = Number.POSITIVE_INFINITY;

/**
 * The policy of a model; undefined for one that keeps off the serving thread. The way to another thread and back costs
 * 30 us of CPU time, half of it on the serving thread. With one CPU that is lost whatever the run takes, and the bound is
 * what others may be held up. With several, the other thread computes while this one goes on: a run should not take
 * much longer than the way.
 */
export function servingThreadPolicyOf(placement: Placement, cpus: number): ServingThreadPolicy | undefined {
  switch (placement) {
    case "Worker":
      return undefined;
    case "Auto":
      return cpus > 1
        ? { conditions: conditions({ maxSmallestRunMs: 0.06 }), maxRunMs: 0.1, maxBacklogMs: 0.2 }
        : { conditions: conditions({ maxSmallestRunMs: 0.25 }), maxRunMs: 1, maxBacklogMs: ANY };
    case "ServingThread":
      return { conditions: undefined, maxRunMs: 10, maxBacklogMs: ANY };
    default:
      return placement satisfies never;
  }
}

/** Whether a model may go to the serving thread if its runs are short. */
export function fitsServingThread(profile: ModelProfile, limits: ServingThreadConditions): boolean {
  return profile.fileBytes <= limits.maxFileBytes && profile.loadMs <= limits.maxLoadMs && profile.isPredictable;
}

function conditions({ maxSmallestRunMs }: { readonly maxSmallestRunMs: number }): ServingThreadConditions {
  return { maxFileBytes: 4 * MIB, maxLoadMs: 25, maxSmallestRunMs };
}
