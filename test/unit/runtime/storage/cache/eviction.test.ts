import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chooseEvictions, type CachedFile } from "../../../../../runtime/storage/cache/eviction.ts";

function file(key: string, sizeBytes: number, lastUsedMs: number, isInUse = false): CachedFile {
  return { key, sizeBytes, lastUsedMs, isInUse };
}
const wanted = { key: "new", sizeBytes: 40, maxBytes: 100, missingBytes: 0 };

describe("making room", () => {
  test.each<[string, CachedFile[], Partial<typeof wanted>, string[] | undefined]>([
    ["an empty cache", [], {}, []],
    ["what fits exactly", [file("a", 60, 1)], {}, []],
    ["one byte too many", [file("a", 61, 1)], {}, ["a"]],
    ["the least recently used goes first", [file("a", 30, 2), file("b", 30, 1), file("c", 30, 3)], {}, ["b"]],
    ["what is in use stays", [file("a", 50, 1, true), file("b", 50, 2)], {}, ["b"]],
    ["too much in use", [file("a", 61, 1, true), file("b", 10, 2)], {}, undefined],
    ["a file that is too large for the cache", [file("a", 10, 1)], { sizeBytes: 101 }, undefined],
    ["what it has already is not counted twice", [file("new", 30, 1, true), file("a", 60, 2)], {}, []],
    ["a disk that is too full", [file("a", 5, 1), file("b", 5, 2)], { missingBytes: 6 }, ["a", "b"]],
    ["a disk that stays too full", [file("a", 5, 1)], { missingBytes: 6 }, undefined],
  ])("%s", (_, files, change, expected) => {
    expect(chooseEvictions(files, { ...wanted, ...change })).toEqual(expected);
  });

  const files = fc.uniqueArray(
    fc.record({
      key: fc.string({ minLength: 1, maxLength: 3 }),
      sizeBytes: fc.nat(50),
      lastUsedMs: fc.nat(9),
      isInUse: fc.boolean(),
    }),
    { selector: ({ key }) => key, maxLength: 12 },
  );
  const request = fc.record({
    key: fc.string({ minLength: 1, maxLength: 3 }),
    sizeBytes: fc.nat(120),
    maxBytes: fc.integer({ min: 1, max: 100 }),
    missingBytes: fc.nat(60),
  });

  test("keeps to the limit, takes nothing that is in use, nothing younger than what stays, and no more than needed", () => {
    fc.assert(
      fc.property(files, request, (found, want) => {
        const others = found.filter(({ key }) => key !== want.key);
        const evicted = chooseEvictions(found, want);
        const sum = (list: readonly CachedFile[]): number =>
          list.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
        const isEnough = (gone: readonly CachedFile[]): boolean =>
          sum(others) - sum(gone) + want.sizeBytes <= want.maxBytes && sum(gone) >= want.missingBytes;
        const free = others.filter(({ isInUse }) => !isInUse);
        // None are chosen if and only if all would not be enough.
        expect(evicted === undefined).toBe(!isEnough(free));
        if (evicted === undefined) return;
        const gone = others.filter(({ key }) => evicted.includes(key));
        expect(gone).toHaveLength(evicted.length);
        expect(gone.some(({ isInUse }) => isInUse)).toBe(false);
        expect(isEnough(gone)).toBe(true);
        const last = found.find(({ key }) => key === evicted.at(-1));
        if (last === undefined) return;
        expect(isEnough(gone.filter((one) => one !== last))).toBe(false);
        const oldestLeft = Math.min(...free.filter((one) => !gone.includes(one)).map(({ lastUsedMs }) => lastUsedMs));
        expect(last.lastUsedMs).toBeLessThanOrEqual(oldestLeft);
      }),
    );
  });
});
