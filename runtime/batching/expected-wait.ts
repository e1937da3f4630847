import type { Priority } from "../core/servable.ts";

/** Requests that wait and can be run together; a row's cost is NaN where it is not known. */
export interface WaitingWork {
  readonly interactive: { readonly rows: number };
  readonly batch: { readonly rows: number };
  readonly rowCostMs: number;
}

/** A run that has not ended. */
export interface RunningWork {
  readonly rows: number;
  readonly rowCostMs: number;
  readonly startMs: number;
}

/** All that a model has to do. */
export interface Backlog {
  readonly waiting: Iterable<WaitingWork>;
  readonly running: Iterable<RunningWork>;
  /** Runs that proceed at the same time. */
  readonly instances: number;
}

/**
 * For how long, in ms, a request that arrives now waits until its own run begins: for what is left of the runs under way,
 * and for all that goes before it. What costs nobody knows counts as nothing, so that the true wait is longer rather than
 * shorter.
 */
export function expectedWaitMs(backlog: Backlog, priority: Priority, nowMs: number): number {
  let sumMs = 0;
  for (const { rows, rowCostMs, startMs } of backlog.running)
    sumMs += Math.max(0, known(rows * rowCostMs) - (nowMs - startMs));
  for (const { interactive, batch, rowCostMs } of backlog.waiting) {
    const rows = priority === "batch" ? interactive.rows + batch.rows : interactive.rows;
    sumMs += known(rows * rowCostMs);
  }
  return sumMs / backlog.instances;
}

/**
 * By how much, in ms, a request would be answered too late because of those before it; undefined where it is not known that
 * it would. A request that need not wait is never too late by this: to compute it is the only way to find out.
 */
export function expectedLatenessMs(
  request: { readonly deadlineMs: number; readonly waitMs: number; readonly ownMs: number },
  nowMs: number,
): number | undefined {
  if (request.waitMs <= 0) return undefined;
  const lateMs = nowMs + request.waitMs + known(request.ownMs) - request.deadlineMs;
  return lateMs > 0 ? lateMs : undefined;
}

function known(costMs: number): number {
  return Number.isNaN(costMs) ? 0 : costMs;
}
