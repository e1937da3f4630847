import { setTimeout as delay } from "node:timers/promises";
import { StorageFailure } from "./storage-failure.ts";

/** How often and how long a question to a storage is repeated. */
export interface RetryPolicy {
  /** All attempts together. */
  readonly deadlineMs: number;
  readonly maxAttempts: number;
  /** Before the second attempt; doubles from one to the next, less up to a half by chance. */
  readonly firstDelayMs: number;
}

export const DEFAULT_RETRY_POLICY: RetryPolicy = { deadlineMs: 5_000, maxAttempts: 3, firstDelayMs: 100 };

/**
 * Asks until there is an answer, a failure that is not transient, the last attempt, or the deadline. Throws the last
 * StorageFailure, or the signal's reason when it aborts. `place` is who is asked, for the message after the deadline.
 */
export async function withRetries<T>(
  ask: (signal: AbortSignal) => Promise<T>,
  policy: RetryPolicy,
  place: string,
  signal: AbortSignal,
): Promise<T> {
  signal.throwIfAborted();
  let last: StorageFailure | undefined;
  const repeat = async (inner: AbortSignal): Promise<T> => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await ask(inner);
      } catch (error) {
        if (!(error instanceof StorageFailure) || !error.transient || attempt === policy.maxAttempts) throw error;
        last = error;
      }
      await delay(backoffMs(attempt, policy.firstDelayMs), undefined, { signal: inner });
    }
  };
  const onDeadline = (): StorageFailure =>
    last ?? new StorageFailure("StorageUnreachable", `${place} did not answer within ${policy.deadlineMs} ms`);
  return await withDeadline(repeat, policy.deadlineMs, onDeadline, signal);
}

/**
 * Runs something that must end in time. Does not wait for what heeds no signal, such as the search for ambient
 * credentials.
 */
export async function withDeadline<T>(
  run: (signal: AbortSignal) => Promise<T>,
  deadlineMs: number,
  onDeadline: () => Error,
  signal: AbortSignal,
): Promise<T> {
  const stop = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    ended.reject(reason);
    stop.abort(reason);
  };
  const onAbort = (): void => end(signal.reason);
  const timer = setTimeout(() => end(onDeadline()), deadlineMs);
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([run(stop.signal), ended.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
  }
}

/** How long to wait before the next attempt. */
export function backoffMs(attempt: number, firstDelayMs: number, random: () => number = Math.random): number {
  return firstDelayMs * 2 ** Math.min(attempt - 1, 6) * (0.5 + random() / 2);
}
