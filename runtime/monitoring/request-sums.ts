import { DURATION_BOUNDS_SECONDS, type DurationSums } from "../../common/monitoring-api.ts";

/** Durations in the bins that quantiles are read from. */
export class DurationBins {
  readonly #counts = new Float64Array(DURATION_BOUNDS_SECONDS.length + 1);
  #sumSeconds = 0;

  add(seconds: number): void {
    const bin = binOf(seconds);
    this.#counts[bin] = (this.#counts[bin] ?? 0) + 1;
    this.#sumSeconds += seconds;
  }

  sums(): DurationSums {
    return { counts: [...this.#counts], sumSeconds: this.#sumSeconds };
  }
}

/** What happened to the requests of a model that one version has answered, or none has, since the process began. */
export interface RequestSums {
  /** Undefined: no version answered. */
  readonly version: number | undefined;
  /** By outcome: `OK` or an error code. */
  readonly requests: Readonly<Record<string, number>>;
  readonly duration: DurationSums;
}

/** Where the time of a version's answered requests went, since the process began: also that of an earlier load of it. */
export interface InferenceSums {
  readonly rows: number;
  readonly queueSeconds: number;
  readonly computeSeconds: number;
}

/** All that the monitoring report tells of one model. */
export interface ModelSums {
  readonly name: string;
  /** Requests that wait for the model, or are being answered by it. */
  readonly inFlight: number;
  readonly requests: readonly RequestSums[];
  /** By version. */
  readonly inferences: ReadonlyMap<number, InferenceSums>;
}

/** The first bin whose bound is not exceeded, by halving: 25 bounds are 5 steps. */
function binOf(seconds: number): number {
  let low = 0;
  let high = BOUNDS.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (seconds > (BOUNDS[middle] ?? 0)) low = middle + 1;
    else high = middle;
  }
  return low;
}

const BOUNDS = Float64Array.from(DURATION_BOUNDS_SECONDS);
