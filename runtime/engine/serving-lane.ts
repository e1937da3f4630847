import type { HandOver } from "../core/servable.ts";
import type { ServingError } from "../errors.ts";
import type { Heartbeat } from "./heartbeat.ts";
import type { OnnxSession } from "./onnx-session.ts";
import type { PendingRun } from "./pending-run.ts";
import type { ServingThreadPolicy } from "./placement.ts";
import { RunQueue } from "./run-queue.ts";

export interface ServingLaneOptions {
  /** Of the calling thread. The lane owns it. */
  readonly session: Pick<OnnxSession, "run" | "close">;
  readonly policy: Pick<ServingThreadPolicy, "maxRunMs" | "maxBacklogMs" | "handOverMs">;
  readonly heartbeat: Heartbeat | undefined;
  /** A run has ended, well or not. */
  readonly ran: (run: PendingRun, computeMs: number) => void;
}

/**
 * Runs on the thread that serves requests, without any copy. In one turn of the event loop only as much as may hold up
 * the others; the rest waits, and whatever arrived on the sockets goes first.
 */
export class ServingLane {
  /** What it costs that a run is not made here. */
  readonly handOver: HandOver;
  readonly #options: ServingLaneOptions;
  readonly #queue = new RunQueue();
  /** As predicted, of the runs of this turn. */
  #turnMs = 0;
  #running = 0;
  #backlogMs = 0;
  #idle: (() => void) | undefined;

  constructor(options: ServingLaneOptions) {
    this.#options = options;
    const { maxRunMs, handOverMs } = options.policy;
    this.handOver = { aboveMs: maxRunMs, costMs: handOverMs };
  }

  /** Whether a run that takes so long, as far as one can tell, should be made here. */
  takes(predictedMs: number): boolean {
    const { maxRunMs, maxBacklogMs } = this.#options.policy;
    return predictedMs <= maxRunMs && this.#backlogMs <= maxBacklogMs;
  }

  /** Makes a run, now or when those before it have ended. Its `predictedMs` must be known. */
  submit(run: PendingRun): void {
    this.#backlogMs += run.predictedMs;
    if (this.#hasRoom) return void this.#start(run);
    run.heedAbort(() => {
      if (this.#queue.remove(run)) this.#backlogMs -= run.predictedMs;
    });
    this.#queue.push(run);
  }

  /** Rejects the runs that wait. */
  rejectWaiting(error: ServingError): void {
    for (const run of this.#queue.takeAll()) run.reject(error);
  }

  /** Lets the runs end, then releases the session. */
  async close(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#options.session.close();
  }

  get #hasRoom(): boolean {
    return this.#turnMs < this.#options.policy.maxRunMs;
  }

  async #start(run: PendingRun): Promise<void> {
    const { session, heartbeat, ran } = this.#options;
    this.#running++;
    this.#turnMs += run.predictedMs;
    const ended = await session.run(run.inputs, run.outputs, heartbeat);
    this.#running--;
    this.#turnMs -= run.predictedMs;
    this.#backlogMs -= run.predictedMs;
    run.end(ended);
    ran(run, ended.computeMs);
    this.#startWaiting();
  }

  #startWaiting(): void {
    while (this.#hasRoom) {
      const run = this.#queue.shift();
      if (run === undefined) break;
      void this.#start(run);
    }
    if (this.#running > 0) return;
    // Sums of fractions, taken apart again, are not quite 0.
    this.#turnMs = 0;
    this.#backlogMs = 0;
    this.#idle?.();
  }
}
