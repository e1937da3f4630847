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
    readonly name?: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName?: string;
      readonly failureMessages?: readonly string[];
    }[];
  }[];
}

/** Of an error's text, so much says what is wrong; the log of the run has the rest. */
const MAX_ERROR_LINES = 12;

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

/** What failed, and why: a text for each failed test, or file that could not be loaded. Empty without a report. */
export function failuresOf(report: unknown): string[] {
  const { testResults } = (report ?? { testResults: [] }) as Report;
  return testResults.flatMap(({ status, name = "", message = "", assertionResults }) => {
    const tests = assertionResults
      .filter((test) => test.status === "failed")
      .map(({ fullName = "", failureMessages = [] }) => failure(`${name}: ${fullName}`, failureMessages.join("\n")));
    return tests.length === 0 && status === "failed" ? [failure(name, message)] : tests;
  });
}

function failure(where: string, error: string): string {
  const lines = error.split("\n").slice(0, MAX_ERROR_LINES);
  return [where, ...lines.map((line) => `    ${line}`)].join("\n");
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
