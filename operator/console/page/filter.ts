import type { ServiceRow } from "../console-views.ts";

/** Whether a row has all words of the filter in its name, namespace, state or drift. */
export function matchesFilter(row: ServiceRow, filter: string): boolean {
  const text = [row.name, row.namespace, row.ready === "True" ? "ready" : "", row.reason, row.drift]
    .join(" ")
    .toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
