/** How many tests passed, failed and did not run. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** What is read of the report that vitest's JSON reporter writes. */
interface Report {
  readonly testResults: readonly {
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

/**
 * Counts the tests of one run. A file that could not be loaded is one failure, and so is a run that reports none and
 * still ended with another status than 0, or has no report at all: nothing that went wrong is left out.
 */
export function countTests(report: unknown, exitStatus: number): Counts {
  const { testResults } = (report ?? { testResults: [] }) as Report;
  const statuses = testResults.flatMap(({ status, assertionResults }) => {
    const tests = assertionResults.map((test) => test.status);
    return status === "failed" && !tests.includes("failed") ? [...tests, "failed"] : tests;
  });
  const passed = statuses.filter((status) => status === "passed").length;
  const failed = statuses.filter((status) => status === "failed").length;
  const counts = { passed, failed, skipped: statuses.length - passed - failed };
  return withStatus(counts, report === undefined ? 1 : exitStatus);
}

/** Counts one failure when none is counted and yet the exit status is not 0. */
export function withStatus(counts: Counts, exitStatus: number): Counts {
  return counts.failed === 0 && exitStatus !== 0 ? { ...counts, failed: 1 } : counts;
}

/** The sum of several runs. */
export function sum(counts: readonly Counts[]): Counts {
  const total = (key: keyof Counts) => counts.reduce((result, each) => result + each[key], 0);
  return { passed: total("passed"), failed: total("failed"), skipped: total("skipped") };
}

/** `N passed, N failed`, and the skipped where there are any. */
export function closingLine({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}
