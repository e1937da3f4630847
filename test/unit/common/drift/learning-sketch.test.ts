import * as fc from "fast-check";
import * as z from "zod";
import { describe, expect, it } from "vitest";
import { CategoricalSketch, categoryOf } from "../../../../common/drift/categorical-sketch.ts";
import {
  mergeLearning,
  parseLearningSketch,
  writeLearning,
  type LearningFeature,
  type LearningSketch,
} from "../../../../common/drift/learning-sketch.ts";
import { NumericSketch } from "../../../../common/drift/numeric-sketch.ts";
import { seededRandom } from "../../../fixtures/random-numbers.ts";

/** Numbers as models get them: from few values to more than a sketch tells apart, of all sizes. */
const numbers: fc.Arbitrary<number[]> = fc.oneof(
  fc.array(fc.double()),
  fc.array(fc.float()),
  fc.array(fc.integer({ min: -3, max: 3 })),
  // Thousands of different ones, from a seed: arrays of that size would take fast-check too long.
  fc
    .tuple(fc.integer(), fc.integer({ min: 500, max: 1_200 }), fc.constantFrom(1, 1e-300, 1e300))
    .map(([seed, length, size]) => {
      const random = seededRandom(seed);
      return Array.from({ length }, () => (random() - 0.3) * size * 10 ** Math.floor(random() * 6));
    }),
);

const words: fc.Arbitrary<string[]> = fc.oneof(
  fc.array(fc.constantFrom("a", "b", "__proto__", "")),
  fc.tuple(fc.integer(), fc.integer({ min: 200, max: 1_000 })).map(([seed, length]) => {
    const random = seededRandom(seed);
    return Array.from({ length }, () => `word ${Math.floor(random() * length)}`);
  }),
);

function sketchOfNumbers(values: readonly number[]): NumericSketch {
  const sketch = new NumericSketch(false);
  for (const value of values) sketch.add(value);
  return sketch;
}

function sketchOfWords(values: readonly string[]): CategoricalSketch {
  const sketch = new CategoricalSketch();
  for (const value of values) sketch.add(value);
  return sketch;
}

function learning(...sketches: LearningSketch[]): LearningFeature[] {
  return writeLearning(sketches.map((sketch) => ({ name: sketch.kind, side: "input", sketch })));
}

/** As it travels. */
function sent<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

describe("sketches of replicas", () => {
  it("add up to the sketch of all values, bit for bit, in any order", () => {
    fc.assert(
      fc.property(fc.array(numbers, { maxLength: 4 }), fc.array(words, { maxLength: 4 }), (parts, texts) => {
        const whole = learning(sketchOfNumbers(parts.flat()), sketchOfWords(texts.flat()));
        const none = learning(sketchOfNumbers([]), sketchOfWords([]));
        const each = [
          ...parts.map((part) => learning(sketchOfNumbers(part))),
          ...texts.map((text) => learning(sketchOfWords(text))),
        ];
        const forwards = each.reduce((all, part) => mergeLearning(sent(all), sent(part)), none);
        const backwards = each.reduceRight((all, part) => mergeLearning(sent(part), sent(all)), none);
        expect(forwards).toEqual(whole);
        expect(backwards).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it("are associative", () => {
    fc.assert(
      fc.property(fc.tuple(numbers, words), fc.tuple(numbers, words), fc.tuple(numbers, words), (...parts) => {
        const [a = [], b = [], c = []] = parts.map(([values, texts]) =>
          learning(sketchOfNumbers(values), sketchOfWords(texts)),
        );
        expect(mergeLearning(mergeLearning(a, b), c)).toEqual(mergeLearning(a, mergeLearning(b, c)));
      }),
      { numRuns: 25 },
    );
  });

  it("are read as they were written", () => {
    fc.assert(
      fc.property(numbers, words, (values, texts) => {
        for (const sketch of [sketchOfNumbers(values), sketchOfWords(texts)]) {
          expect(parseLearningSketch(sent(sketch.toJSON())).toJSON()).toEqual(sketch.toJSON());
        }
      }),
      { numRuns: 40 },
    );
  });

  it("lose no value, and tell the least and the greatest", () => {
    fc.assert(
      fc.property(numbers, (values) => {
        const { counts, missing, min, max } = sketchOfNumbers(values).toJSON();
        const finite = values.filter((value) => Number.isFinite(value));
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(finite.length);
        expect(missing).toBe(values.length - finite.length);
        const ends = finite.length === 0 ? [undefined, undefined] : [Math.min(...finite) + 0, Math.max(...finite) + 0];
        expect([min, max]).toEqual(ends);
        expect(counts.length).toBeLessThanOrEqual(512);
      }),
      { numRuns: 40 },
    );
  });

  it("tell few values apart exactly, and many with an error that is small beside each", () => {
    expect(sketchOfNumbers([0.1, -0, 0, 0.1, 3]).toJSON()).toMatchObject({
      droppedBits: 0,
      values: [0, 0.1, 3],
      counts: [2, 2, 1],
    });
    const random = seededRandom(1);
    const { values, droppedBits } = sketchOfNumbers(Array.from({ length: 5_000 }, () => 1000 + random())).toJSON();
    expect(values.length).toBeGreaterThan(256);
    expect(droppedBits).toBeGreaterThan(0);
  });

  it("count the words that they name exactly, though there are too many", () => {
    fc.assert(
      fc.property(words, (texts) => {
        const { values, counts, total } = sketchOfWords(texts).toJSON();
        expect(total).toBe(texts.length);
        expect(counts).toEqual(values.map((value) => texts.filter((text) => text === value).length));
        expect(values.length).toBe(Math.min(256, new Set(texts).size));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ["another kind", { kind: "other" }],
    [
      "more counts than values",
      { kind: "numeric", isInteger: false, droppedBits: 0, values: [], counts: [1], missing: 0 },
    ],
    ["no least value", { kind: "numeric", isInteger: false, droppedBits: 0, values: [1], counts: [1], missing: 0 }],
    [
      "values out of order",
      { kind: "numeric", isInteger: false, droppedBits: 0, values: [2, 1], counts: [1, 1], missing: 0, min: 1, max: 2 },
    ],
    ["a count below 0", { kind: "categorical", values: ["a"], counts: [-1], total: 0, missing: 0 }],
  ])("are refused with %s", (_what, json) => {
    expect(() => parseLearningSketch(json)).toThrow(z.ZodError);
  });
});

describe("categoryOf", () => {
  it("keeps short texts, and tells long ones apart that begin alike", () => {
    expect(categoryOf("cat")).toBe("cat");
    const [a, b] = [categoryOf("x".repeat(1000)), categoryOf(`${"x".repeat(999)}y`)];
    expect(a).not.toBe(b);
    expect(a.length).toBe(64);
  });
});
