import { describe, expect, it } from "vitest";
import { assessDrift, type DriftWindow } from "../../../../common/drift/assess-drift.ts";
import { CategoricalSketch } from "../../../../common/drift/categorical-sketch.ts";
import { FeatureCounter } from "../../../../common/drift/feature-counter.ts";
import { writeLearning } from "../../../../common/drift/learning-sketch.ts";
import { profileOf } from "../../../../common/drift/make-profile.ts";
import { NumericSketch } from "../../../../common/drift/numeric-sketch.ts";
import type { Profile } from "../../../../common/drift/profile.ts";
import { seededRandom } from "../../../fixtures/random-numbers.ts";

const OPTIONS = { threshold: 0.1, minRows: 200 };

type Row = readonly (number | string)[];

function profileOfRows(rows: readonly Row[]): Profile {
  const sketches = (rows[0] ?? []).map((first) =>
    typeof first === "number" ? new NumericSketch(false) : new CategoricalSketch(),
  );
  for (const row of rows) {
    row.forEach((value, at) => {
      const sketch = sketches[at];
      if (sketch?.kind === "numeric") sketch.add(Number(value));
      else sketch?.add(String(value));
    });
  }
  const features = sketches.map((sketch, at) => ({ name: `x[${at}]`, side: "input" as const, sketch }));
  return profileOf(writeLearning(features), rows.length);
}

function windowOf(profile: Profile, rows: readonly Row[]): DriftWindow {
  const counters = profile.features.map(({ reference }) => new FeatureCounter(reference));
  for (const row of rows) {
    row.forEach((value, at) => {
      if (typeof value === "number") counters[at]?.addNumber(value);
      else counters[at]?.addCategory(value);
    });
  }
  return { rows: rows.length, features: counters.map((counter) => counter.read()) };
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

function assess(reference: readonly Row[], window: readonly Row[]) {
  const profile = profileOfRows(reference);
  return assessDrift(profile, windowOf(profile, window), OPTIONS);
}

function rowsOf(count: number, row: () => Row): Row[] {
  return Array.from({ length: count }, row);
}

describe("assessDrift", () => {
  it("finds a shift of half a standard deviation in 2,000 rows against 1,000, in one feature of 70, each time", () => {
    for (let seed = 1; seed <= 4; seed++) {
      const random = seededRandom(seed);
      const row = (shift: number) => Array.from({ length: 70 }, (_, at) => normal(random) + (at === 13 ? shift : 0));
      const { state, features } = assess(
        rowsOf(1_000, () => row(0)),
        rowsOf(2_000, () => row(0.5)),
      );
      expect(state).toBe("Drifting");
      expect(features.filter(({ isDrifting }) => isDrifting).map(({ name }) => name)).toEqual(["x[13]"]);
    }
  });

  it("is steady on what has not moved, whatever window of 2,000 rows of a long time it is asked of", () => {
    const random = seededRandom(3);
    const kinds = [
      () => normal(random),
      () => random() ** 6,
      () => (random() < 0.97 ? 0 : normal(random)),
      () => Math.floor(random() * 12),
      () => "abcdefgh"[Math.floor(random() ** 3 * 8)] ?? "",
    ];
    const row = (): Row => kinds.map((kind) => kind());
    for (const referenceRows of [100, 1_000]) {
      const profile = profileOfRows(rowsOf(referenceRows, row));
      const stream = rowsOf(8_000, row);
      let least = 1;
      for (let from = 0; from + 2_000 <= stream.length; from += 250) {
        const { state, features } = assessDrift(profile, windowOf(profile, stream.slice(from, from + 2_000)), OPTIONS);
        expect(state).toBe("Steady");
        least = Math.min(least, ...features.map(({ pValue }) => pValue));
      }
      // Chance does move some of them.
      expect(least).toBeLessThan(1);
      expect(least).toBeGreaterThan(1e-6);
    }
  });

  it("waits for rows", () => {
    const random = seededRandom(5);
    const reference = rowsOf(1_000, () => [normal(random)]);
    const { state, features, windowRows } = assess(
      reference,
      rowsOf(199, () => [normal(random) + 10]),
    );
    expect({ state, windowRows, isDrifting: features[0]?.isDrifting }).toEqual({
      state: "Waiting",
      windowRows: 199,
      isDrifting: false,
    });
  });

  type Value = (random: () => number) => number | string;
  it.each<[what: string, before: Value, now: Value, message: RegExp]>([
    [
      "a higher one",
      (random) => normal(random),
      (random) => normal(random) + 1,
      /^higher: median (1\.\d+|1|0\.9\d+), was -?0\.0\d+$/,
    ],
    [
      "a lower one",
      (random) => Math.exp(normal(random)),
      (random) => Math.exp(normal(random)) / 4,
      /^lower: median 0\.\d+, was (1\.\d+|1|0\.9\d+)$/,
    ],
    [
      "a wider one",
      (random) => normal(random),
      (random) => normal(random) * 2,
      /^wider: half of it from -1\.\d+ to 1\.\d+, was -0\.\d+ to 0\.\d+$/,
    ],
    ["a narrower one", (random) => normal(random), (random) => normal(random) / 3, /^narrower: half of it from /],
    [
      "missing values",
      (random) => (random() < 0.001 ? Number.NaN : normal(random)),
      (random) => (random() < 0.12 ? Number.NaN : normal(random)),
      /^more missing values: 1\d %, was (0|0\.\d|under 0\.1) %$/,
    ],
    [
      "fewer missing values",
      (random) => (random() < 0.5 ? Number.NaN : 1),
      () => 1,
      /^fewer missing values: 0 %, was \d\d %$/,
    ],
    [
      "values out of range",
      (random) => random(),
      (random) => (random() < 0.1 ? 2 * Math.sign(random() - 0.5) : random()),
      /^\d+(\.\d)? % outside of 0\.0\d+ to 1$/,
    ],
    ["another constant", () => 5, () => 6, /^higher: median (5|6), was 5$/],
    [
      "a category",
      (random) => (random() < 0.02 ? "other" : "cat"),
      (random) => (random() < 0.3 ? "other" : "cat"),
      /^category other: (29|30|31) %, was \d\.\d %$/,
    ],
    [
      "a new category",
      (random) => (random() < 0.3 ? "a" : "b"),
      (random) => (random() < 0.3 ? "c" : "b"),
      /^(category a: 0 %, was \d+ %|other categories: \d+ %, was 0 %)$/,
    ],
    [
      "two clusters",
      (random) => normal(random),
      (random) => (random() < 0.5 ? -0.67 : 0.67) + normal(random) / 50,
      /^-?\d\.\d+ to -?\d\.\d+: \d+ %, was \d\.\d %$/,
    ],
  ])("says of %s how it has moved", (_what, before, now, message) => {
    const random = seededRandom(11);
    const { state, features } = assess(
      rowsOf(2_000, () => [before(random)]),
      rowsOf(2_000, () => [now(random)]),
    );
    expect(state).toBe("Drifting");
    expect(features[0]?.message).toMatch(message);
  });

  it("does not call a change drift that is certain, but small", () => {
    const random = seededRandom(13);
    const { state, features } = assess(
      rowsOf(50_000, () => [normal(random)]),
      rowsOf(50_000, () => [normal(random) + 0.1]),
    );
    expect(features[0]?.pValue).toBeLessThan(1e-9);
    expect(state).toBe("Steady");
    expect(features[0]?.message).toBe("steady");
  });

  it("does not fail where nothing was counted", () => {
    const random = seededRandom(17);
    const profile = profileOfRows(rowsOf(200, () => [normal(random), "a"]));
    expect(assessDrift(profile, { rows: 300, features: [] }, OPTIONS)).toMatchObject({ state: "Steady" });
  });
});
