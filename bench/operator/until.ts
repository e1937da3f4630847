import { setTimeout as delay } from "node:timers/promises";

const WITHIN_MS = 20 * 60_000;

/** Waits until something holds; throws if it does not within 20 minutes. */
export async function until(holds: () => Promise<boolean>, what: string, everyMs = 250): Promise<void> {
  const deadlineMs = performance.now() + WITHIN_MS;
  while (!(await holds())) {
    if (performance.now() > deadlineMs) throw new Error(`expected ${what} within ${WITHIN_MS / 60_000} minutes`);
    await delay(everyMs);
  }
}
