import type { ReplicaLoad } from "../../../common/admin-api.ts";

/** How long a model computes, and how much waits for it. */
export interface ModelledModel {
  /** A run of n rows takes `runMs + n * rowMs`. */
  readonly runMs: number;
  readonly rowMs: number;
  /** 1: the model cannot be batched. */
  readonly maxBatchSize: number;
  readonly maxQueue: number;
}

/** A request that was answered. */
export interface Answered {
  readonly endMs: number;
  readonly latencyMs: number;
}

/** What a request takes beside queue and model, in ms: sockets and codecs. */
const OVERHEAD_MS = 1;

/**
 * A replica: one instance of a model, a bounded queue, and runs that begin as soon as the last one has ended, with whatever has come
 * by then (docs/batching.md). It is told of requests in the order in which they come.
 */
export class ModelledReplica {
  readonly #model: ModelledModel;
  readonly #bornMs: number;
  readonly #name: string;
  readonly #answered: (answer: Answered) => void;
  /** When each request came that waits; those before `#head` have had their turn. */
  #waiting: number[] = [];
  #head = 0;
  #running: readonly number[] = [];
  #freeAtMs = 0;
  #ended = 0;
  #refused = 0;
  #endedMs = 0;
  #queueMs = 0;
  #queued = 0;
  #computeMs = 0;

  constructor(name: string, bornMs: number, model: ModelledModel, answered: (answer: Answered) => void) {
    this.#name = name;
    this.#bornMs = bornMs;
    this.#model = model;
    this.#answered = answered;
  }

  /** Whether the request was taken. */
  arrive(atMs: number): boolean {
    this.advance(atMs);
    if (this.#waiting.length - this.#head >= this.#model.maxQueue) {
      this.#refused++;
      return false;
    }
    this.#waiting.push(atMs);
    return true;
  }

  /** Does all that happens until a time. */
  advance(untilMs: number): void {
    for (;;) {
      if (this.#running.length > 0) {
        if (this.#freeAtMs > untilMs) return;
        this.#endRun();
      }
      const first = this.#waiting[this.#head];
      if (first === undefined) return;
      const beginMs = Math.max(this.#freeAtMs, first);
      // Who comes at the very time at which a run begins is in it.
      if (beginMs >= untilMs) return;
      this.#beginRun(beginMs);
    }
  }

  load(nowMs: number): ReplicaLoad {
    this.advance(nowMs);
    const inFlight = [...this.#waiting.slice(this.#head), ...this.#running];
    return {
      instance: this.#name,
      takenAtMs: nowMs - this.#bornMs,
      inFlight: inFlight.length,
      requests: this.#ended + this.#refused + inFlight.length,
      refused: this.#refused,
      inFlightMs: inFlight.reduce((sum, atMs) => sum + nowMs - atMs, this.#endedMs),
      queueMs: this.#queueMs,
      queued: this.#queued,
      computeMs: this.cpuMs(nowMs),
    };
  }

  /** The time for which the model has computed, in ms. */
  cpuMs(nowMs: number): number {
    this.advance(nowMs);
    const ahead = this.#running.length > 0 ? this.#freeAtMs - nowMs : 0;
    return this.#computeMs - ahead;
  }

  #beginRun(beginMs: number): void {
    const { runMs, rowMs, maxBatchSize } = this.#model;
    let end = this.#head;
    while (end - this.#head < maxBatchSize && (this.#waiting[end] ?? Number.POSITIVE_INFINITY) <= beginMs) end++;
    this.#running = this.#waiting.slice(this.#head, end);
    this.#head = end;
    if (this.#head > 1_000) {
      this.#waiting = this.#waiting.slice(this.#head);
      this.#head = 0;
    }
    const rows = this.#running.length;
    const lengthMs = runMs + rows * rowMs;
    this.#freeAtMs = beginMs + lengthMs;
    this.#computeMs += lengthMs;
    this.#queued += rows;
    for (const atMs of this.#running) this.#queueMs += beginMs - atMs;
  }

  #endRun(): void {
    const endMs = this.#freeAtMs;
    for (const atMs of this.#running) {
      this.#endedMs += endMs - atMs;
      this.#answered({ endMs, latencyMs: endMs - atMs + OVERHEAD_MS });
    }
    this.#ended += this.#running.length;
    this.#running = [];
  }
}
