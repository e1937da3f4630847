import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CategoricalSketch } from "../../../../common/drift/categorical-sketch.ts";
import { FeatureCounter } from "../../../../common/drift/feature-counter.ts";
import { writeLearning, type LearningSketch } from "../../../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../../../common/drift/make-profile.ts";
import { NumericSketch } from "../../../../common/drift/numeric-sketch.ts";
import { parseProfile, type FeatureReference } from "../../../../common/drift/profile.ts";
import { seededRandom } from "../../../fixtures/random-numbers.ts";

function referenceOf(sketch: LearningSketch): FeatureReference | undefined {
  const profile = profileOf(writeLearning([{ name: "x", side: "input", sketch }]), 1);
  expect(parseProfile(JSON.parse(JSON.stringify(profile)))).toEqual(profile);
  return profile.features[0]?.reference;
}

function numbers(values: readonly number[], isInteger = false): NumericSketch {
  const sketch = new NumericSketch(isInteger);
  for (const value of values) sketch.add(value);
  return sketch;
}

function words(values: readonly string[]): CategoricalSketch {
  const sketch = new CategoricalSketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

describe("profileOf", () => {
  it("counts what made it in the same bins that it is counted by afterwards", () => {
    const values = fc.oneof(
      fc.array(fc.double({ noNaN: true }), { minLength: 1 }),
      fc.array(fc.integer({ min: -2, max: 2 }), { minLength: 1 }),
      fc.tuple(fc.integer(), fc.integer({ min: 1, max: 512 })).map(([seed, length]) => {
        const random = seededRandom(seed);
        return Array.from({ length }, () => Math.round(random() * 1e6) / 1e4 - 30);
      }),
    );
    fc.assert(
      fc.property(values, (all) => {
        const reference = referenceOf(numbers(all));
        if (reference === undefined) return;
        const counter = new FeatureCounter(reference);
        for (const value of all) counter.addNumber(value);
        expect(counter.read()).toEqual({ counts: reference.counts, missing: reference.missing, outOfRange: 0 });
      }),
    );
  });

  it("has bins of about equal mass, though values were counted by ranges", () => {
    const random = seededRandom(7);
    const values = Array.from({ length: 10_000 }, () => Math.log(random() + 1e-9) * (random() < 0.5 ? 1 : -1));
    const reference = referenceOf(numbers(values));
    if (reference?.kind !== "numeric") throw new Error("expected numbers");
    expect(reference.counts).toHaveLength(20);
    for (const count of reference.counts) expect(Math.abs(count - 500)).toBeLessThan(100);
    const counter = new FeatureCounter(reference);
    for (const value of values) counter.addNumber(value);
    expect(counter.read().counts).toEqual(reference.counts);
  });

  it("has fewer bins of fewer values", () => {
    const reference = referenceOf(numbers(Array.from({ length: 100 }, (_, at) => at)));
    expect(reference?.counts).toEqual([25, 25, 25, 25]);
  });

  it("has a bin for each of few numbers, and for new ones below and above", () => {
    expect(referenceOf(numbers([0, 0, 1, 4]))).toEqual({
      kind: "numeric",
      edges: [-0.5, 0.5, 2.5, 4.5],
      counts: [0, 2, 1, 1, 0],
      missing: 0,
      min: 0,
      max: 4,
    });
  });

  it("tells apart what moves away from a constant", () => {
    const reference = referenceOf(numbers([5, 5, 5]));
    expect(reference).toMatchObject({ counts: [0, 3, 0], min: 5, max: 5 });
  });

  it("has one bin for a value that is most of all", () => {
    const values = Array.from({ length: 1_000 }, (_, at) => (at % 10 === 0 ? at : 0));
    const reference = referenceOf(numbers(values));
    if (reference?.kind !== "numeric") throw new Error("expected numbers");
    expect(reference.counts[0]).toBe(901);
  });

  it("has categories for integers of few values, not for many", () => {
    expect(referenceOf(numbers([3, 1, 3], true))).toEqual({
      kind: "categorical",
      categories: ["1", "3"],
      counts: [1, 2, 0],
      missing: 0,
    });
    expect(
      referenceOf(
        numbers(
          Array.from({ length: 100 }, (_, at) => at),
          true,
        ),
      )?.kind,
    ).toBe("numeric");
  });

  it("names the commonest words, and counts all others together", () => {
    const reference = referenceOf(words(["a", "a", "b", ...Array.from({ length: 40 }, (_, at) => `w${at}`)]));
    if (reference?.kind !== "categorical") throw new Error("expected words");
    expect(reference.categories.slice(0, 1)).toEqual(["a"]);
    expect(reference.categories).toHaveLength(32);
    expect(reference.counts.at(-1)).toBe(43 - 2 - 31);
  });

  it("leaves out what tells nothing: words that are all different, and features without values", () => {
    expect(referenceOf(words(Array.from({ length: 5_000 }, (_, at) => `text ${at}`)))).toBeUndefined();
    expect(referenceOf(words([]))).toBeUndefined();
    expect(referenceOf(numbers([]))).toBeUndefined();
  });

  it("keeps a feature whose values are all missing", () => {
    expect(referenceOf(numbers([Number.NaN]))).toMatchObject({ kind: "numeric", counts: [0, 0], missing: 1 });
  });
});

describe("profileHash", () => {
  it("depends on the content, not on the order of properties", () => {
    const profile = profileOf(writeLearning([{ name: "x", side: "input", sketch: numbers([1, 2]) }]), 2);
    const { features, rows, formatVersion } = profile;
    expect(profileHash({ features, rows, formatVersion })).toBe(profileHash(profile));
    expect(profileHash({ ...profile, rows: 3 })).not.toBe(profileHash(profile));
    expect(profileHash(profile)).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});
