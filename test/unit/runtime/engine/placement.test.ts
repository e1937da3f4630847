import { describe, expect, test } from "vitest";
import {
  fitsServingThread,
  servingThreadPolicyOf,
  type ModelProfile,
  type ServingThreadPolicy,
} from "../../../../runtime/engine/placement.ts";

const SMALL: ModelProfile = { fileBytes: 500, loadMs: 1, isPredictable: true };

function automatic(cpus: number): ServingThreadPolicy {
  const policy = servingThreadPolicyOf("Auto", cpus);
  if (policy === undefined) throw new Error("there is always one");
  return policy;
}

describe("the serving thread", () => {
  test("is not for models that are kept off it", () => {
    expect(servingThreadPolicyOf("Worker", 1)).toBeUndefined();
  });

  test("is for any model that was sent there, but not for its long runs", () => {
    expect(servingThreadPolicyOf("ServingThread", 2)).toMatchObject({ conditions: undefined, maxRunMs: 10 });
  });

  test("takes longer runs where there is no other CPU, and sends what waits nowhere else", () => {
    expect(automatic(1).maxRunMs).toBeGreaterThan(automatic(2).maxRunMs);
    expect(automatic(1).maxBacklogMs).toBe(Number.POSITIVE_INFINITY);
    expect(automatic(4)).toEqual(automatic(2));
  });

  const profiles: readonly [string, Partial<ModelProfile>, boolean][] = [
    ["small, quick to load and predictable", {}, true],
    ["as large as it may be", { fileBytes: 4 * 1024 * 1024 }, true],
    ["too large to be loaded twice", { fileBytes: 4 * 1024 * 1024 + 1 }, false],
    ["slow to load", { loadMs: 26 }, false],
    ["as slow as an element of its input says", { isPredictable: false }, false],
  ];
  test.each(profiles)("and a model that is %s", (_, parts, fits) => {
    const { conditions } = automatic(2);
    expect(conditions && fitsServingThread({ ...SMALL, ...parts }, conditions)).toBe(fits);
  });
});
