import { describe, expect, test } from "vitest";
import {
  isWorthALook,
  leastRows,
  NO_VERDICT,
  nextVerdict,
  type DriftState,
} from "../../../../operator/monitoring/drift-verdict.ts";

const WORDS: Readonly<Record<string, DriftState>> = { W: "Waiting", S: "Steady", D: "Drifting" };

/** What is said after each window, a letter each. */
function said(found: string): string {
  let verdict = NO_VERDICT;
  return Array.from(found)
    .map((letter) => {
      verdict = nextVerdict(verdict, WORDS[letter] ?? "Waiting");
      return verdict.state[0];
    })
    .join("");
}

test.each<[string, string, string]>([
  ["nothing is said before enough rows have come", "WWW", "WWW"],
  ["one window is enough to be steady", "WS", "WS"],
  ["two in a row must drift", "SDSDD", "SSSSD"],
  ["also at first", "DDS", "WDD"],
  ["six in a row must not, to be over", "DDSSSSSDSSSSSS", "WDDDDDDDDDDDDS"],
  ["what has too few rows changes nothing", "DDWSSWSSSS", "WDDDDDDDDS"],
  ["it does not flap at the threshold", "SSDSDSDSDSSDDSDSDSD", "SSSSSSSSSSSSDDDDDDD"],
])("%s", (_, found, expected) => {
  expect(said(found)).toBe(expected);
});

describe("a window is looked at", () => {
  test.each<[DriftState, number, boolean]>([
    ["Waiting", 0, false],
    ["Waiting", 1, true],
    ["Steady", 249, false],
    ["Steady", 250, true],
    ["Drifting", 249, false],
    ["Drifting", 250, true],
  ])("%s, after %i new rows: %s", (state, newRows, expected) => {
    expect(isWorthALook({ state, against: 0 }, newRows, 2_000)).toBe(expected);
  });

  test.each([
    [100, 100],
    [400, 100],
    [2_000, 500],
  ])("of %i rows with %i at least", (windowRows, expected) => {
    expect(leastRows(windowRows)).toBe(expected);
  });
});
