import { setImmediate } from "node:timers/promises";
import type { MetricFamily } from "./metric-families.ts";

/** A page is made in turns of so many characters, about 400 lines: less than half a millisecond. */
const TURN_LENGTH = 32_768;

/**
 * The text of all families, in order. Lets others work between its turns: `pause` resolves when they have (default: in
 * the event loop's next turn). A series that is new by then may be missing; each that is there is consistent in itself.
 */
export async function metricsPageOf(
  families: Iterable<MetricFamily>,
  pause: () => Promise<void> = setImmediate,
): Promise<string> {
  let page = "";
  let turnEnd = TURN_LENGTH;
  for (const family of families) {
    for (const text of family.text()) {
      page += text;
      if (page.length < turnEnd) continue;
      await pause();
      turnEnd = page.length + TURN_LENGTH;
    }
  }
  return page;
}
