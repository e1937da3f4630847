import type { Connection } from "./connection.ts";
import type { LoadRecorder, Span } from "./load-recorder.ts";

/** How a load goes on: told of each end, and asked to begin. */
export interface Pace {
  /** Sends the first requests. */
  begin(): void;
  onDone(connection: Connection, startMs: number, outcome: string): void;
  /** Begins nothing new; resolves when all that counts has ended, or the time for it is over. */
  finish(): Promise<void>;
  /** Requests that count and have not ended. */
  unanswered(): number;
}

/** Closer than this to the next request the generator spins: a timer is too coarse. It has a core for itself. */
const SPIN_MS = 2;
/** How long an open loop goes on after its end, for requests that are late. */
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

/** When requests of an open loop are due. */
export interface Schedule {
  readonly requestsPerSecond: number;
  readonly startMs: number;
  /** Requests that are due within it are waited for. */
  readonly measured: Span;
}

/**
 * Requests at a fixed rate, whatever the server does. The time of each counts from when it should have gone: one that
 * waits for a free connection waits within its own time.
 */
export class OpenPace implements Pace {
  readonly #schedule: Schedule;
  readonly #recorder: LoadRecorder;
  readonly #free: Connection[];
  /** Requests that wait for a connection, from #backlogHead on. */
  readonly #backlog: number[] = [];
  #backlogHead = 0;
  /** How many were due so far. */
  #due = 0;
  #underWay = 0;
  #phase: "on time" | "late ones only" | "over" = "on time";

  constructor(connections: readonly Connection[], recorder: LoadRecorder, schedule: Schedule) {
    this.#free = [...connections];
    this.#recorder = recorder;
    this.#schedule = schedule;
  }

  begin(): void {
    if (this.#phase !== "on time") return;
    const nowMs = performance.now();
    for (let dueMs = this.#nextDueMs(); dueMs <= nowMs; dueMs = this.#nextDueMs()) {
      this.#due += 1;
      if (this.#counts(dueMs)) this.#underWay += 1;
      this.#dispatch(dueMs);
    }
    const waitMs = this.#nextDueMs() - nowMs;
    if (waitMs > SPIN_MS) setTimeout(() => this.begin(), waitMs - SPIN_MS);
    else setImmediate(() => this.begin());
  }

  onDone(connection: Connection, startMs: number, outcome: string): void {
    if (this.#counts(startMs)) this.#underWay -= 1;
    this.#recorder.record(outcome, startMs, performance.now());
    const wasFull = connection.free === 1;
    const next = this.#takeWaiting();
    if (next !== undefined) connection.send(next);
    else if (wasFull) this.#free.push(connection);
  }

  async finish(): Promise<void> {
    this.#phase = "late ones only";
    const deadlineMs = performance.now() + GRACE_MS;
    while (this.#underWay > 0 && performance.now() < deadlineMs) {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
    this.#phase = "over";
  }

  unanswered(): number {
    return this.#underWay;
  }

  #nextDueMs(): number {
    return this.#schedule.startMs + (this.#due * 1000) / this.#schedule.requestsPerSecond;
  }

  #dispatch(startMs: number): void {
    const connection = this.#free.at(-1);
    if (connection === undefined) {
      this.#backlog.push(startMs);
      return;
    }
    connection.send(startMs);
    if (connection.free === 0) this.#free.pop();
  }

  /** The request that waits longest; after the end only those that count still go. */
  #takeWaiting(): number | undefined {
    while (this.#phase !== "over" && this.#backlogHead < this.#backlog.length) {
      const startMs = this.#backlog[this.#backlogHead];
      this.#backlogHead += 1;
      if (startMs !== undefined && (this.#phase === "on time" || this.#counts(startMs))) return startMs;
    }
    return undefined;
  }

  #counts(startMs: number): boolean {
    return startMs >= this.#schedule.measured.startMs && startMs < this.#schedule.measured.endMs;
  }
}
