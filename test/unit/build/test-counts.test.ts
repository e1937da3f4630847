import { describe, expect, test } from "vitest";
import { closingLine, countTests, failuresOf, sum } from "../../../build/test-counts.ts";

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((each) => ({ status: each })),
});
const report = (...testResults: ReturnType<typeof file>[]) => ({ testResults });

describe("the count of tests", () => {
  test("adds up all files", () => {
    const counts = countTests(report(file("passed", "passed", "skipped"), file("failed", "failed", "passed")), 1);
    expect(counts).toEqual({ passed: 2, failed: 1, skipped: 1 });
  });

  test("takes a file that could not be loaded for a failure", () => {
    expect(countTests(report(file("passed", "passed"), file("failed")), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  test("takes a run for a failure that ended badly though all tests passed", () => {
    expect(countTests(report(file("passed", "passed")), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  test("takes a run without a report for a failure", () => {
    expect(countTests(undefined, 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  test("counts a test that did not end as not run", () => {
    expect(countTests(report(file("passed", "pending", "passed")), 0)).toEqual({ passed: 1, failed: 0, skipped: 1 });
  });
});

describe("what failed", () => {
  test("is told by the test's file and name, with the beginning of its error", () => {
    const failed = { status: "failed", fullName: "a queue keeps order", failureMessages: ["expected 1, got 2\nat x"] };
    const passed = { status: "passed", fullName: "a queue is empty", failureMessages: [] };
    const failures = failuresOf({
      testResults: [{ status: "failed", name: "test/queue.test.ts", message: "", assertionResults: [passed, failed] }],
    });
    expect(failures).toEqual(["test/queue.test.ts: a queue keeps order\n    expected 1, got 2\n    at x"]);
  });

  test("is a file, if that could not be loaded", () => {
    const testResults = [
      { status: "failed", name: "test/queue.test.ts", message: "no such module", assertionResults: [] },
    ];
    expect(failuresOf({ testResults })).toEqual(["test/queue.test.ts\n    no such module"]);
  });

  test("is nothing, if there is no report", () => {
    expect(failuresOf(undefined)).toEqual([]);
  });
});

test("the closing line has the skipped only where there are any", () => {
  const some = { passed: 3, failed: 1, skipped: 0 };
  expect(closingLine(some)).toBe("3 passed, 1 failed");
  expect(closingLine(sum([some, { passed: 1, failed: 0, skipped: 2 }]))).toBe("4 passed, 1 failed, 2 skipped");
});
