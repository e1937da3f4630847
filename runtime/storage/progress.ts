import type { ReportProgress } from "../core/repository.ts";

/** Passes progress on at most once in an interval; what is complete at once, and nothing twice. */
export function throttleProgress(
  report: ReportProgress,
  intervalMs: number,
  now: () => number = () => performance.now(),
): ReportProgress {
  let reportedMs = -Infinity;
  let last: { readonly bytesDone: number; readonly bytesTotal: number | undefined } | undefined;
  return (progress) => {
    if (last?.bytesDone === progress.bytesDone && last.bytesTotal === progress.bytesTotal) return;
    if (progress.bytesDone !== progress.bytesTotal && now() - reportedMs < intervalMs) return;
    reportedMs = now();
    last = progress;
    report(progress);
  };
}
