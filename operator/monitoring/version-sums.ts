import type { OutcomeSums, ReplicaVersionMonitoring } from "../../common/monitoring-api.ts";

/** What requests of a version came to, as sums. */
export type VersionSums = Pick<
  ReplicaVersionMonitoring,
  "requests" | "duration" | "rows" | "queueSeconds" | "computeSeconds"
>;

/** By how much the sums of one process have grown. Sums that are less than before have begun anew, with the version. */
export function growthOf(before: VersionSums | undefined, now: VersionSums): VersionSums {
  if (before === undefined || hasBegunAnew(before, now)) return now;
  const requests: Record<string, number> = {};
  for (const [outcome, count] of Object.entries(now.requests)) {
    const more = count - (before.requests[outcome] ?? 0);
    if (more > 0) requests[outcome] = more;
  }
  return {
    requests,
    duration: {
      counts: now.duration.counts.map((count, bin) => count - (before.duration.counts[bin] ?? 0)),
      sumSeconds: Math.max(0, now.duration.sumSeconds - before.duration.sumSeconds),
    },
    rows: now.rows - before.rows,
    queueSeconds: Math.max(0, now.queueSeconds - before.queueSeconds),
    computeSeconds: Math.max(0, now.computeSeconds - before.computeSeconds),
  };
}

/** Both together. */
export function sumsTogether(a: VersionSums | undefined, b: VersionSums): VersionSums {
  if (a === undefined) return b;
  const requests: Record<string, number> = { ...a.requests };
  for (const [outcome, count] of Object.entries(b.requests)) requests[outcome] = (requests[outcome] ?? 0) + count;
  const bins = Math.max(a.duration.counts.length, b.duration.counts.length);
  return {
    requests,
    duration: {
      counts: Array.from({ length: bins }, (_, bin) => (a.duration.counts[bin] ?? 0) + (b.duration.counts[bin] ?? 0)),
      sumSeconds: a.duration.sumSeconds + b.duration.sumSeconds,
    },
    rows: a.rows + b.rows,
    queueSeconds: a.queueSeconds + b.queueSeconds,
    computeSeconds: a.computeSeconds + b.computeSeconds,
  };
}

function hasBegunAnew(before: VersionSums, now: VersionSums): boolean {
  return (
    now.rows < before.rows ||
    Object.entries(before.requests).some(([outcome, count]) => (now.requests[outcome] ?? 0) < count) ||
    before.duration.counts.some((count, bin) => (now.duration.counts[bin] ?? 0) < count)
  );
}

const OUTCOME_FIELDS = ["joined", "labels", "correct", "numbers", "absoluteError", "squaredError"] as const;

/** By how much the outcomes that one process has joined have grown. */
export function outcomeGrowthOf(before: OutcomeSums | undefined, now: OutcomeSums): OutcomeSums {
  if (before === undefined || OUTCOME_FIELDS.some((field) => now[field] < before[field])) return now;
  return outcomesOf((field) => now[field] - before[field]);
}

/** Both together. */
export function outcomesTogether(a: OutcomeSums | undefined, b: OutcomeSums): OutcomeSums {
  return a === undefined ? b : outcomesOf((field) => a[field] + b[field]);
}

function outcomesOf(valueOf: (field: (typeof OUTCOME_FIELDS)[number]) => number): OutcomeSums {
  return {
    joined: valueOf("joined"),
    labels: valueOf("labels"),
    correct: valueOf("correct"),
    numbers: valueOf("numbers"),
    absoluteError: valueOf("absoluteError"),
    squaredError: valueOf("squaredError"),
  };
}
