import type { Arrival, Priority } from "../core/servable.ts";
import { ServingError } from "../errors.ts";
import { expectedLatenessMs, expectedWaitMs, type RunningWork } from "./expected-wait.ts";
import { roomFor, type Room } from "./queue-room.ts";
import type { RequestQueue } from "./request-queue.ts";

export interface QueueGuardOptions {
  readonly queue: RequestQueue;
  /** Requests that may wait. */
  readonly maxQueue: number;
  readonly now: () => number;
  readonly running: () => Iterable<RunningWork>;
  /** Runs that proceed at the same time. */
  readonly instances: () => number;
  /** Hands over what can be: some that wait may not have to. */
  readonly dispatch: () => void;
}

/** Refuses what cannot wait, or would wait in vain: at once, so that whoever asks can go elsewhere. */
export class QueueGuard {
  readonly #options: QueueGuardOptions;

  constructor(options: QueueGuardOptions) {
    this.#options = options;
  }

  /** Throws the ServingError with which a request would be refused that nobody has read yet. */
  check(arrival: Arrival): void {
    this.#findRoom(arrival.priority);
    this.checkDeadline(arrival, Number.NaN);
  }

  /** Makes sure that a request can wait; another one may have to go for it. Throws ServingError (ResourceExhausted). */
  makeRoom(priority: Priority | undefined): void {
    if (this.#findRoom(priority) === "free") return;
    this.#options.queue.takeYoungestBatch()?.reject(
      new ServingError("ResourceExhausted", "requests: expected room for one of low priority, got others before it", {
        refusal: "priority",
        retryAfterMs: this.#expectedWaitMs("batch"),
      }),
    );
  }

  /**
   * Refuses a request that would be answered too late by what its own rows cost, NaN where unknown, and those before it.
   * Throws ServingError (ResourceExhausted).
   */
  checkDeadline({ priority = "interactive", deadlineMs }: Arrival, ownMs: number): void {
    const { queue, now } = this.#options;
    if (deadlineMs === undefined || (queue.isEmpty && queue.runsInFlight === 0)) return;
    const nowMs = now();
    const waitMs = this.#expectedWaitMs(priority);
    const lateMs = expectedLatenessMs({ deadlineMs, waitMs, ownMs }, nowMs);
    if (lateMs === undefined) return;
    const leftMs = Math.max(0, Math.round(deadlineMs - nowMs));
    throw new ServingError(
      "ResourceExhausted",
      `answer: expected within ${leftMs} ms, would take some ${Math.ceil(lateMs)} ms more: too many requests wait`,
      { refusal: "deadline", retryAfterMs: lateMs },
    );
  }

  #findRoom(priority: Priority = "interactive"): Exclude<Room, "none"> {
    const { queue, maxQueue, dispatch } = this.#options;
    let room = roomFor(priority, queue.waiting, maxQueue);
    if (room === "free") return room;
    dispatch();
    room = roomFor(priority, queue.waiting, maxQueue);
    if (room !== "none") return room;
    throw new ServingError("ResourceExhausted", `requests: expected at most ${maxQueue} waiting, got more`, {
      refusal: "queue",
      retryAfterMs: this.#expectedWaitMs(priority),
    });
  }

  #expectedWaitMs(priority: Priority): number {
    const { queue, running, instances, now } = this.#options;
    return expectedWaitMs({ waiting: queue.lanes, running: running(), instances: instances() }, priority, now());
  }
}
