import type { Priority } from "../core/servable.ts";

/** Whether one more request may wait: if only by pushing out one of priority `batch`, the youngest of them goes. */
export type Room = "free" | "by-pushing-out" | "none";

/** Of the places, requests of priority `batch` keep this part, as of the runs: a share that nobody pushes them out of. */
const BATCH_SHARE = 1 / 16;

/**
 * Decides on a request that wants to wait beside others. Both priorities share `maxQueue` places; when they are taken, those of
 * priority `batch` are refused first, and give way to interactive ones, but for their share, which may come on top.
 */
export function roomFor(
  priority: Priority,
  waiting: { readonly interactive: number; readonly batch: number },
  maxQueue: number,
): Room {
  if (waiting.interactive + waiting.batch < maxQueue) return "free";
  const share = Math.floor(maxQueue * BATCH_SHARE);
  if (priority === "batch") return waiting.batch < share ? "free" : "none";
  if (waiting.batch > share) return "by-pushing-out";
  return waiting.interactive < maxQueue ? "free" : "none";
}
