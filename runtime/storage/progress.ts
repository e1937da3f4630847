import type { ReportProgress } from "../core/repository.ts";

const INTERVAL_MS = 250;

/** Passes progress on at most four times a second; what is complete at once, and nothing twice. */
export function throttleProgress(report: ReportProgress, now: () => number = () => performance.now()): ReportProgress {
  let reportedMs = -Infinity;
  let last: { readonly bytesDone: number; readonly bytesTotal: number | undefined } | undefined;
  return (progress) => {
    if (last?.bytesDone === progress.bytesDone && last.bytesTotal === progress.bytesTotal) return;
    if (progress.bytesDone !== progress.bytesTotal && now() - reportedMs < INTERVAL_MS) return;
    reportedMs = now();
    last = progress;
    report(progress);
  };
}
