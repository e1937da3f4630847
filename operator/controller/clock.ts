import { LONGEST_TIMER_MS } from "../../common/longest-timer.ts";

/** Time as an argument, so that tests move it instead of waiting. */
export interface Clock {
  /** Milliseconds since some fixed moment. Never goes back, whatever happens to the wall clock. */
  nowMs(): number;
  /** Calls back once, after the delay. Returns a function that calls it off. */
  schedule(delayMs: number, callback: () => void): () => void;
}

/** The machine's monotonic clock and Node's timers. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  schedule: (delayMs, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};

/** Waits. Rejects with the signal's reason as soon as it is aborted. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    const onAbort = (): void => {
      cancel();
      reject(signal.reason as Error);
    };
    const cancel = clock.schedule(delayMs, () => {
      signal.removeEventListener("abort", onAbort);
      resolve();
    });
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** A signal that ends with its parent or at a deadline. The holder calls `clear` when its work is done. */
export interface Deadline {
  readonly signal: AbortSignal;
  readonly clear: () => void;
}

/** The reason of signals whose deadline has passed. */
export class DeadlineError extends Error {
  override name = "DeadlineError";
}

/** Starts a deadline. After `clear` it neither fires nor keeps anything of the parent's alive. */
export function startDeadline(clock: Clock, timeoutMs: number, parent?: AbortSignal): Deadline {
  const controller = new AbortController();
  if (parent?.aborted === true) {
    controller.abort(parent.reason);
    return { signal: controller.signal, clear: () => {} };
  }
  const onParent = (): void => {
    cancel();
    controller.abort(parent?.reason);
  };
  const cancel = clock.schedule(timeoutMs, () => {
    parent?.removeEventListener("abort", onParent);
    controller.abort(new DeadlineError(`not done within ${Math.round(timeoutMs)} ms`));
  });
  parent?.addEventListener("abort", onParent, { once: true });
  return {
    signal: controller.signal,
    clear: () => {
      cancel();
      parent?.removeEventListener("abort", onParent);
    },
  };
}
