import { LONGEST_TIMER_MS } from "../common/longest-timer.ts";
import type { Clock } from "./core/clock.ts";

/** The clock of the process. Its timers do not keep the process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wait: (ms, signal) =>
    new Promise((resolve) => {
      if (signal.aborted || ms <= 0) return resolve();
      const timer = setTimeout(end, Math.min(ms, LONGEST_TIMER_MS)).unref();
      signal.addEventListener("abort", end, { once: true });
      function end(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", end);
        resolve();
      }
    }),
};
