import type { Connection } from "./connection.ts";
import type { LoadRecorder, Span } from "./load-recorder.ts";

/** How a load goes on: told of each end, and asked to begin. */
export interface Pace {
  /** Sends the first requests. */
  readonly begin: () => void;
  readonly onDone: (connection: Connection, startMs: number, outcome: string) => void;
  /** Sends nothing more; resolves when all that counts has ended, or the time for it is over. */
  readonly finish: () => Promise<void>;
  /** Requests that count and have not ended. */
  readonly unanswered: () => number;
}

/** Closer than this to the next request the generator spins: a timer is too coarse. It has a core for itself. */
const SPIN_MS = 2;
/** How long an open loop waits for late answers after its end. */
const GRACE_MS = 5_000;
const POLL_MS = 10;

/** Each connection, or stream of one, sends its next request when it has the answer to the last one. */
export function closedPace(connections: readonly Connection[], recorder: LoadRecorder): Pace {
  let isEnded = false;
  return {
    begin: () => {
      const nowMs = performance.now();
      for (const connection of connections) while (connection.free > 0) connection.send(nowMs);
    },
    onDone: (connection, startMs, outcome) => {
      const nowMs = performance.now();
      recorder.record(outcome, startMs, nowMs);
      if (!isEnded && connection.free > 0) connection.send(nowMs);
    },
    finish: () => {
      isEnded = true;
      return Promise.resolve();
    },
    unanswered: () => 0,
  };
}

/**
 * Requests at a fixed rate from `startMs` on, whatever the server does. The time of each counts from when it should have
 * gone: one that waits for a free connection waits within its own time.
 */
export function openPace(
  connections: readonly Connection[],
  recorder: LoadRecorder,
  schedule: { readonly requestsPerSecond: number; readonly startMs: number; readonly measured: Span },
): Pace {
  const intervalMs = 1000 / schedule.requestsPerSecond;
  const free = [...connections];
  const backlog: number[] = [];
  let backlogHead = 0;
  let due = 0;
  let underWay = 0;
  let isEnded = false;

  const dispatch = (startMs: number): void => {
    const connection = free.at(-1);
    if (connection === undefined) {
      backlog.push(startMs);
      return;
    }
    connection.send(startMs);
    if (connection.free === 0) free.pop();
  };
  const counts = (startMs: number): boolean =>
    startMs >= schedule.measured.startMs && startMs < schedule.measured.endMs;
  const tick = (): void => {
    if (isEnded) return;
    const nowMs = performance.now();
    for (;;) {
      const dueMs = schedule.startMs + due * intervalMs;
      if (dueMs > nowMs) break;
      due += 1;
      if (counts(dueMs)) underWay += 1;
      dispatch(dueMs);
    }
    const waitMs = schedule.startMs + due * intervalMs - nowMs;
    if (waitMs > SPIN_MS) setTimeout(tick, waitMs - SPIN_MS);
    else setImmediate(tick);
  };
  return {
    begin: tick,
    onDone: (connection, startMs, outcome) => {
      if (counts(startMs)) underWay -= 1;
      recorder.record(outcome, startMs, performance.now());
      const wasFull = connection.free === 1;
      const next = backlog[backlogHead];
      if (next !== undefined && !isEnded) {
        backlogHead += 1;
        connection.send(next);
      } else if (wasFull) free.push(connection);
    },
    finish: async () => {
      isEnded = true;
      const deadlineMs = performance.now() + GRACE_MS;
      while (underWay > backlog.length - backlogHead && performance.now() < deadlineMs) {
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    },
    unanswered: () => underWay,
  };
}
