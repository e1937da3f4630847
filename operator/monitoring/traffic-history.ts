import { DURATION_BOUNDS_SECONDS } from "../../common/monitoring-api.ts";
import type { TrafficPoint } from "./monitoring-source.ts";
import type { VersionSums } from "./version-sums.ts";

/** The past is kept for so long, in ms. */
export const TRAFFIC_MS = 3_600_000;
/** So many intervals are kept at most: with intervals under 5 s, the past is shorter than an hour. */
const MAX_POINTS = 720;

const BINS = DURATION_BOUNDS_SECONDS.length + 1;
/** Of one version in one interval: bins, sum of durations, queue, compute, rows, requests that were answered. */
const WIDTH = BINS + 5;
/** Of all versions: end, length, in flight, replicas. */
const HEADER = 4;
const OK = "OK";

/** What one version did, by slot. */
interface VersionRing {
  readonly numbers: Float32Array;
  /** Requests that were not answered, by slot; few intervals have some. */
  readonly errors: Map<number, Readonly<Record<string, number>>>;
  /** The number of the last point in which it did something. */
  lastPoint: number;
}

/**
 * What happened in the intervals of the last hour. In rows of numbers, as there are many of them: with 360 intervals 12 kB, and
 * 45 kB for each version that was asked anything in that hour. Counts are exact up to 16 million in an interval.
 */
export class TrafficHistory {
  readonly #capacity: number;
  readonly #headers: Float64Array;
  readonly #versions = new Map<number, VersionRing>();
  /** How many points have ever been added. */
  #added = 0;

  constructor(intervalMs: number) {
    this.#capacity = Math.min(MAX_POINTS, Math.max(1, Math.ceil(TRAFFIC_MS / intervalMs)));
    this.#headers = new Float64Array(this.#capacity * HEADER);
  }

  /** Adds an interval in the place of the oldest one. */
  add(header: Omit<TrafficPoint, "versions">, versions: ReadonlyMap<number, VersionSums>): void {
    const number = this.#added++;
    const slot = number % this.#capacity;
    this.#headers.set([header.atMs, header.intervalMs, header.inFlight, header.replicas], slot * HEADER);
    for (const [version, sums] of versions) {
      if (Object.keys(sums.requests).length > 0 && !this.#versions.has(version))
        this.#versions.set(version, {
          numbers: new Float32Array(this.#capacity * WIDTH),
          errors: new Map(),
          lastPoint: number,
        });
    }
    for (const [version, ring] of this.#versions) {
      const sums = versions.get(version);
      writeSlot(ring, slot, sums);
      if (sums !== undefined && Object.keys(sums.requests).length > 0) ring.lastPoint = number;
      if (number - ring.lastPoint >= this.#capacity) this.#versions.delete(version);
    }
  }

  /** Oldest first, of the last hour before `nowMs`. */
  points(nowMs: number): TrafficPoint[] {
    const points: TrafficPoint[] = [];
    const versions = [...this.#versions].sort(([a], [b]) => a - b);
    for (let number = Math.max(0, this.#added - this.#capacity); number < this.#added; number++) {
      const slot = number % this.#capacity;
      const [atMs = 0, intervalMs = 0, inFlight = 0, replicas = 0] = this.#headers.subarray(slot * HEADER);
      if (nowMs - atMs > TRAFFIC_MS) continue;
      const did = versions.flatMap(([version, ring]) => {
        const sums = readSlot(ring, slot);
        return sums === undefined ? [] : [{ version, ...sums }];
      });
      points.push({ atMs, intervalMs, inFlight, replicas, versions: did });
    }
    return points;
  }
}

function writeSlot({ numbers, errors }: VersionRing, slot: number, sums: VersionSums | undefined): void {
  const at = slot * WIDTH;
  errors.delete(slot);
  numbers.fill(0, at, at + WIDTH);
  if (sums === undefined) return;
  const { [OK]: ok = 0, ...others } = sums.requests;
  const { duration, queueSeconds, computeSeconds, rows } = sums;
  numbers.set(duration.counts.slice(0, BINS), at);
  numbers.set([duration.sumSeconds, queueSeconds, computeSeconds, rows, ok], at + BINS);
  if (Object.keys(others).length > 0) errors.set(slot, others);
}

/** Undefined where it was asked nothing. */
function readSlot({ numbers, errors }: VersionRing, slot: number): VersionSums | undefined {
  const at = slot * WIDTH;
  const [sumSeconds = 0, queueSeconds = 0, computeSeconds = 0, rows = 0, ok = 0] = numbers.subarray(
    at + BINS,
    at + WIDTH,
  );
  const others = errors.get(slot);
  if (ok === 0 && others === undefined) return undefined;
  return {
    requests: { ...(ok > 0 && { [OK]: ok }), ...others },
    duration: { counts: Array.from(numbers.subarray(at, at + BINS)), sumSeconds },
    queueSeconds,
    computeSeconds,
    rows,
  };
}
