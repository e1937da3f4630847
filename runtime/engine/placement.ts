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
  /** What it costs to make a run elsewhere, beside the run. */
  readonly handOverMs: number;
}

const MIB = 1024 * 1024;
const ANY = Number.POSITIVE_INFINITY;

/**
 * The way to another thread and back, in CPU time, half of it on the serving thread. With one CPU the threads also take it
 * from each other in the midst of their work: an mlp's requests cost about a sixth less with two runs of 32 rows on the
 * serving thread than with one of 64 rows on another; on a noisy machine the difference does not show.
 */
const HAND_OVER_MS = 0.03;
const HAND_OVER_ON_ONE_CPU_MS = 0.25;

/**
 * The policy of a model; undefined for one that keeps off the serving thread. With one CPU the way to another thread is
 * lost whatever the run takes, and the bound is what others may be held up. With several, the other thread computes while
 * this one goes on: a run should not take much longer than the way.
 */
export function servingThreadPolicyOf(placement: Placement, cpus: number): ServingThreadPolicy | undefined {
  const handOverMs = cpus > 1 ? HAND_OVER_MS : HAND_OVER_ON_ONE_CPU_MS;
  switch (placement) {
    case "Worker":
      return undefined;
    case "Auto":
      return cpus > 1
        ? { conditions: conditions({ maxSmallestRunMs: 0.06 }), maxRunMs: 0.1, maxBacklogMs: 0.2, handOverMs }
        : { conditions: conditions({ maxSmallestRunMs: 0.25 }), maxRunMs: 1, maxBacklogMs: ANY, handOverMs };
    case "ServingThread":
      return { conditions: undefined, maxRunMs: 10, maxBacklogMs: ANY, handOverMs };
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
