import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  settleVersions,
  type SeenVersions,
  type VersionSighting,
} from "../../../../runtime/storage/settle-versions.ts";

const complete: VersionSighting = { kind: "complete" };
const unknown = (fingerprint: string): VersionSighting => ({ kind: "unknown", fingerprint });
const seen = (settled: readonly number[], arriving: Readonly<Record<number, string>> = {}): SeenVersions => ({
  settled: new Set(settled),
  arriving: new Map(Object.entries(arriving).map(([version, fingerprint]) => [Number(version), fingerprint])),
});

describe("which versions are complete", () => {
  const rows: readonly [string, SeenVersions | undefined, Readonly<Record<number, VersionSighting>>, SeenVersions][] = [
    ["at first, all that are there", undefined, { 1: complete, 2: unknown("a") }, seen([1, 2])],
    ["a new one with a manifest at once", seen([1]), { 1: complete, 2: complete }, seen([1, 2])],
    ["a new one without a manifest not yet", seen([1]), { 1: complete, 2: unknown("a") }, seen([1], { 2: "a" })],
    ["one that looks as it did", seen([1], { 2: "a" }), { 1: complete, 2: unknown("a") }, seen([1, 2])],
    [
      "one that has changed since not yet",
      seen([1], { 2: "a" }),
      { 1: complete, 2: unknown("b") },
      seen([1], { 2: "b" }),
    ],
    ["one that has got its manifest", seen([], { 2: "a" }), { 2: complete }, seen([2])],
    ["one that is complete stays so, whatever happens to its files", seen([1]), { 1: unknown("b") }, seen([1])],
    ["what is gone is forgotten", seen([1], { 2: "a" }), {}, seen([])],
    ["what was gone is new again", seen([]), { 1: unknown("a") }, seen([], { 1: "a" })],
    [
      "all that come into a repository that was empty",
      seen([]),
      { 1: unknown("a"), 2: complete },
      seen([2], { 1: "a" }),
    ],
  ];
  test.each(rows)("%s", (_, before, now, after) => {
    expect(settleVersions(before, new Map(Object.entries(now).map(([k, v]) => [Number(k), v])))).toEqual(after);
  });

  test("never one without a manifest whose last two sightings differ", () => {
    // The states of one version, as a repository that was listed before shows them; undefined while it is not there.
    const sightings = fc.array(fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }), { maxLength: 12 });
    fc.assert(
      fc.property(sightings, (states) => {
        let before = seen([]);
        let previous: string | undefined;
        let wasSettled = false;
        for (const state of states) {
          before = settleVersions(before, new Map(state === undefined ? [] : [[1, unknown(state)]]));
          const isExpected: boolean = state !== undefined && (wasSettled || state === previous);
          expect(before.settled.has(1)).toBe(isExpected);
          expect(before.arriving.has(1)).toBe(state !== undefined && !isExpected);
          wasSettled = isExpected;
          previous = state;
        }
      }),
    );
  });
});
