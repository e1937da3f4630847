import type { Priority } from "../core/servable.ts";

/** Of requests that wait in one line, what the planner needs to know. */
export interface LineSnapshot {
  readonly rows: number;
  /** Who came first; undefined if nobody waits. */
  readonly first: { readonly order: number; readonly arrivalMs: number } | undefined;
}

/** Requests that can be run together. */
export interface LaneSnapshot {
  readonly interactive: LineSnapshot;
  readonly batch: LineSnapshot;
  /** Rows that make a run full. */
  readonly capRows: number;
}

/** All that waits, and what is being run. */
export interface QueueSnapshot<L extends LaneSnapshot> {
  readonly lanes: Iterable<L>;
  readonly runsInFlight: number;
  /** Runs led by interactive requests in a row while requests of priority `batch` waited. */
  readonly runsPastBatch: number;
  /** When an interactive request came last. */
  readonly lastInteractiveMs: number;
}

/** What a plan must keep to. */
export interface BatchLimits {
  /** Runs that proceed at the same time. */
  readonly instances: number;
  /** Whether one more may be handed over, for an instance to find when it has done: only where handing over takes time. */
  readonly mayRunAhead: boolean;
  /** How long a row may wait for others while the engine is free. */
  readonly maxLatencyMs: number;
}

/** What to do now. */
export type BatchPlan<L> =
  /** Run what waits in the lane, `leader` first. */
  | { readonly kind: "dispatch"; readonly lane: L; readonly leader: Priority }
  /** Ask again at this moment, if nothing happens before. */
  | { readonly kind: "wait"; readonly untilMs: number }
  /** Ask again when a request arrives or a run ends. */
  | { readonly kind: "idle" };

/** After so many runs led by interactive requests one of priority `batch` leads: it gets a share, however busy it is. */
export const RUNS_PAST_BATCH = 15;
/** For so long after an interactive request, others of its kind are expected, and the engine is not booked for `batch`. */
const INTERACTIVE_LULL_MS = 100;

const IDLE = { kind: "idle" } as const;

/**
 * Decides what is run next. Whoever came first goes first, with all of their lane that fits beside them; interactive
 * requests before those of priority `batch`. While the engine is free nobody waits, but for `maxLatencyMs` if that is
 * set. While it is busy a run is handed over only if it is full already, of one priority: later it could not become
 * better.
 */
export function planBatch<L extends LaneSnapshot>(
  queue: QueueSnapshot<L>,
  limits: BatchLimits,
  nowMs: number,
): BatchPlan<L> {
  const isFree = queue.runsInFlight < limits.instances;
  const isAhead = !isFree && limits.mayRunAhead && queue.runsInFlight === limits.instances;
  if (!isFree && !isAhead) return IDLE;
  let interactive: L | undefined;
  let batch: L | undefined;
  let nextDueMs = Number.POSITIVE_INFINITY;
  for (const lane of queue.lanes) {
    const dueMs = dueMsOf(lane, limits.maxLatencyMs);
    if (isFree && dueMs > nowMs) {
      nextDueMs = Math.min(nextDueMs, dueMs);
      continue;
    }
    interactive = earlier(interactive, lane, "interactive");
    batch = earlier(batch, lane, "batch");
  }
  const leader: Priority =
    interactive !== undefined && (batch === undefined || queue.runsPastBatch < RUNS_PAST_BATCH)
      ? "interactive"
      : "batch";
  const lane = leader === "interactive" ? interactive : batch;
  if (lane === undefined) return Number.isFinite(nextDueMs) ? { kind: "wait", untilMs: nextDueMs } : IDLE;
  if (isAhead) {
    if (lane[leader].rows < lane.capRows) return IDLE;
    if (leader === "batch" && nowMs - queue.lastInteractiveMs < INTERACTIVE_LULL_MS) return IDLE;
  }
  return { kind: "dispatch", lane, leader };
}

function rowsOf({ interactive, batch }: LaneSnapshot): number {
  return interactive.rows + batch.rows;
}

/** When a lane has waited enough; infinite for one where nobody waits. */
function dueMsOf(lane: LaneSnapshot, maxLatencyMs: number): number {
  const firstMs = Math.min(
    lane.interactive.first?.arrivalMs ?? Number.POSITIVE_INFINITY,
    lane.batch.first?.arrivalMs ?? Number.POSITIVE_INFINITY,
  );
  if (firstMs === Number.POSITIVE_INFINITY) return firstMs;
  return maxLatencyMs === 0 || rowsOf(lane) >= lane.capRows ? Number.NEGATIVE_INFINITY : firstMs + maxLatencyMs;
}

/** Of two lanes the one whose first request of a priority came earlier. */
function earlier<L extends LaneSnapshot>(best: L | undefined, lane: L, priority: Priority): L | undefined {
  const first = lane[priority].first;
  if (first === undefined) return best;
  const bestFirst = best?.[priority].first;
  return bestFirst === undefined || first.order < bestFirst.order ? lane : best;
}
