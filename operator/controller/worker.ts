import type { Logger } from "../../common/logger.ts";
import { retryAfterMsOf } from "./back-off.ts";
import { startDeadline, systemClock, type Clock } from "./clock.ts";
import type { WorkQueue } from "./work-queue.ts";

/** What a reconcile that came to its end asks for. */
export interface Result {
  /** Look again after this time even if nothing is heard of the object. Left out: wait for a change. */
  readonly requeueAfterMs?: number;
}

/** Brings the world of one key closer to what is wanted. Looks at the world itself: the key says only where. */
export type Reconcile = (key: string, signal: AbortSignal) => Promise<Result>;

/** Thrown by a reconcile when trying again cannot help before the object changes. */
export class TerminalError extends Error {
  override name = "TerminalError";

  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** How a reconcile can end. */
export const OUTCOMES = ["success", "requeueAfter", "error", "terminalError", "cancelled"] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** Hears of every reconcile, for metrics. */
export interface WorkerObserver {
  /** A reconcile ended. */
  reconciled(run: { readonly key: string; readonly outcome: Outcome; readonly durationMs: number }): void;
}

export interface WorkerOptions {
  readonly queue: WorkQueue;
  readonly reconcile: Reconcile;
  /** How many keys are worked on at a time. Default 1. */
  readonly concurrency?: number;
  /** After this the signal of a reconcile is aborted. Default 120 000 ms. */
  readonly timeoutMs?: number;
  readonly logger: Logger;
  readonly observer?: WorkerObserver;
  readonly clock?: Clock;
  /** Ends the workers: the queue is shut down, and the signals of reconciles that run are aborted. */
  readonly signal: AbortSignal;
}

/** Works on keys until the signal is aborted; resolves when the last reconcile has ended. A reconcile that throws ends nothing. */
export async function runWorkers(options: WorkerOptions): Promise<void> {
  const { queue, signal } = options;
  const shutdown = (): void => queue.shutdown();
  if (signal.aborted) shutdown();
  signal.addEventListener("abort", shutdown, { once: true });
  await Promise.all(Array.from({ length: options.concurrency ?? 1 }, () => workUntilShutdown(options)));
  signal.removeEventListener("abort", shutdown);
}

async function workUntilShutdown(options: WorkerOptions): Promise<void> {
  const { queue, observer, logger, clock = systemClock } = options;
  for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
    const startMs = clock.nowMs();
    const outcome = await runOnce(key, options);
    const durationMs = clock.nowMs() - startMs;
    queue.done(key);
    logger.debug({ key, outcome, durationMs }, "reconciled");
    try {
      observer?.reconciled({ key, outcome, durationMs });
    } catch (error) {
      logger.error({ err: error }, "observer of reconciles failed");
    }
  }
}

async function runOnce(key: string, options: WorkerOptions): Promise<Outcome> {
  const { queue, logger, signal, clock = systemClock } = options;
  const deadline = startDeadline(clock, options.timeoutMs ?? 120_000, signal);
  try {
    const { requeueAfterMs } = await options.reconcile(key, deadline.signal);
    queue.forget(key);
    if (requeueAfterMs === undefined) return "success";
    queue.addAfter(key, requeueAfterMs);
    return "requeueAfter";
  } catch (error) {
    if (signal.aborted) return "cancelled";
    if (error instanceof TerminalError) {
      queue.forget(key);
      logger.error({ key, err: error.cause }, "reconcile failed for good");
      return "terminalError";
    }
    queue.addRateLimited(key, retryAfterMsOf(error));
    logger.error({ key, err: error, failures: queue.failuresOf(key) }, "reconcile failed, will be tried again");
    return "error";
  } finally {
    deadline.clear();
  }
}
