import { describe, expect, test } from "vitest";
import {
  addOutcomes,
  compareOutcome,
  isSameLabel,
  NO_OUTCOMES,
} from "../../../../../runtime/monitoring/feedback/outcome-comparison.ts";

test.each<[string | number | boolean, string | number | boolean, boolean]>([
  [1, 1, true],
  [1, 2, false],
  [1, "1", true],
  [1, "1.0", true],
  [1, " ", false],
  ["", 0, false],
  ["7", "007", false],
  ["7", "7", true],
  ["cat", "cat", true],
  ["cat", "Cat", false],
  ["cat", 1, false],
  [true, true, true],
  [true, 1, true],
  [true, 0, false],
  [false, 0, true],
  [true, "true", true],
  [true, "True", true],
  ["false", false, true],
  ["9223372036854775807", "9223372036854775807", true],
  ["9223372036854775807", "9223372036854775806", false],
])("label %j and %j are the same: %j", (one, other, expected) => {
  expect(isSameLabel(one, other)).toBe(expected);
});

describe("an outcome", () => {
  test("of labels is right or wrong row by row", () => {
    expect(compareOutcome({ kind: "label", rows: 3, values: [0, 1, 2] }, [0, 2, "2"])).toEqual({
      ...NO_OUTCOMES,
      joined: 3,
      labels: 3,
      correct: 2,
    });
  });

  test("of numbers is off by so much", () => {
    expect(compareOutcome({ kind: "number", rows: 2, values: [1.5, -2] }, ["2", 0])).toEqual({
      ...NO_OUTCOMES,
      joined: 2,
      numbers: 2,
      absoluteError: 2.5,
      squaredError: 4.25,
    });
  });

  test("of a prediction that is no number counts as joined, and spoils no sum", () => {
    expect(compareOutcome({ kind: "number", rows: 2, values: [Number.NaN, 1] }, [1, 1])).toEqual({
      ...NO_OUTCOMES,
      joined: 2,
      numbers: 1,
    });
  });

  test.each([
    ["label" as const, 2, [0, 1], [0], "outcome: expected 2 values, one for each row, got 1"],
    ["label" as const, 1, 0, [0, 1], "outcome: expected one value, got 2"],
    ["number" as const, 1, 0.5, ["cat"], "outcome: expected numbers, as the model predicts them, got another value"],
    [
      "number" as const,
      1,
      0.5,
      [1e300],
      "outcome: expected a number near what a model can predict, got a far greater one",
    ],
  ])("of another form than its prediction (%s, %d) is refused", (kind, rows, values, outcome, problem) => {
    expect(compareOutcome({ kind, rows, values }, outcome)).toEqual({ problem });
  });
});

test("sums of errors stay numbers", () => {
  const huge = { ...NO_OUTCOMES, squaredError: Number.MAX_VALUE };
  expect(addOutcomes(huge, huge).squaredError).toBe(Number.MAX_VALUE);
});
