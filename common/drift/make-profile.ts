import { createHash } from "node:crypto";
import { canonicalJson } from "../canonical-json.ts";
import type { CategoricalSketchForm } from "./categorical-sketch.ts";
import { compareFeatures, parseLearningSketch, type LearningFeature } from "./learning-sketch.ts";
import type { NumericSketchForm } from "./numeric-sketch.ts";
import type { FeatureReference, Profile, ProfileFeature } from "./profile.ts";

const MAX_FEATURES = 512;
/** Bins of a feature, where there are values enough for them. */
const MAX_BINS = 20;
const MIN_BINS = 4;
/** Values for each bin: with fewer, chance moves them too much. */
const VALUES_PER_BIN = 25;
/** Different values up to which each has a bin, or is a category, of its own. */
const FEW_VALUES = 20;
const MAX_CATEGORIES = 32;
/** Beside it, a value that was left out by its hash may be as frequent, so that only what is clearly frequent gets a name. */
const LEAST_NAMED_SHARE = 0.01;

/** A reference of what came so far: of `rows` rows. Features that tell nothing are left out. Throws if a sketch cannot be read. */
export function profileOf(learning: readonly LearningFeature[], rows: number): Profile {
  const features = learning
    .toSorted(compareFeatures)
    .slice(0, MAX_FEATURES)
    .flatMap(({ name, side, sketch }): ProfileFeature[] => {
      const json = parseLearningSketch(sketch).toJSON();
      const reference = json.kind === "numeric" ? referenceOfNumbers(json) : referenceOfWords(json);
      return reference === undefined ? [] : [{ name, side, reference }];
    });
  return { formatVersion: 1, rows, features };
}

/** Names the content of a profile: `sha256:` and hexadecimal digits. */
export function profileHash(profile: Profile): string {
  return `sha256:${createHash("sha256").update(canonicalJson(profile)).digest("hex")}`;
}

function referenceOfNumbers(sketch: NumericSketchForm): FeatureReference | undefined {
  const { values, counts, missing, min, max, isInteger } = sketch;
  if (min === undefined || max === undefined) {
    return missing === 0 ? undefined : { kind: "numeric", edges: [0], counts: [0, 0], missing, min: 0, max: 0 };
  }
  const isExact = sketch.droppedBits === 0;
  if (isExact && isInteger && values.length <= FEW_VALUES) {
    return { kind: "categorical", categories: values.map(String), counts: [...counts, 0], missing };
  }
  const bins =
    isExact && values.length <= FEW_VALUES ? binOfEach(values, counts) : binsOfEqualMass(values, counts, isExact);
  return { kind: "numeric", ...bins, missing, min, max };
}

interface Bins {
  readonly edges: number[];
  readonly counts: number[];
}

/** A bin around each value, and an empty one at both ends for what is new. */
function binOfEach(values: readonly number[], counts: readonly number[]): Bins {
  const between = values.slice(1).map((value, at) => edgeBetween(values[at] ?? value, value, true));
  const [first = 0, last = 0] = [values[0], values.at(-1)];
  const gaps = values.slice(1).map((value, at) => value - (values[at] ?? value));
  const margin = gaps.length > 0 ? Math.min(...gaps) / 2 : Math.max(Math.abs(first) / 1000, 1e-9);
  const below = Math.max(first - margin, -Number.MAX_VALUE);
  // Among the least and the greatest numbers there is, half a gap is none.
  const above = Math.min(Math.max(last + margin, last + Number.MIN_VALUE), Number.MAX_VALUE);
  return above > last
    ? withoutDoubles([below, ...between, above], [0, ...counts, 0])
    : withoutDoubles([below, ...between], [0, ...counts]);
}

/** As many bins as there are values for, each with about as many of them as the others. */
function binsOfEqualMass(values: readonly number[], counts: readonly number[], isExact: boolean): Bins {
  const total = sum(counts);
  const wanted = Math.min(MAX_BINS, Math.max(MIN_BINS, Math.floor(total / VALUES_PER_BIN)));
  const edges: number[] = [];
  const bins: number[] = [];
  let at = 0;
  let below = 0;
  let inBins = 0;
  for (let bin = 1; bin < wanted; bin++) {
    const target = (total * bin) / wanted;
    // Up to the value with which one comes nearest to it.
    while (at < values.length && below + (counts[at] ?? 0) / 2 <= target) below += counts[at++] ?? 0;
    const [before, after] = [values[at - 1], values[at]];
    if (before === undefined || after === undefined || below === inBins) continue;
    edges.push(edgeBetween(before, after, isExact));
    bins.push(below - inBins);
    inBins = below;
  }
  const [before = 0, after = 0] = values.slice(-2);
  if (edges.length === 0)
    return withoutDoubles([edgeBetween(before, after, isExact)], [total - (counts.at(-1) ?? 0), counts.at(-1) ?? 0]);
  return withoutDoubles(edges, [...bins, total - inBins]);
}

/**
 * Parts the values that were counted under `before` from those under `after`. Where low bits were dropped, towards 0, those
 * under a positive value lie from it upwards, and those under a negative one from it downwards.
 */
function edgeBetween(before: number, after: number, isExact: boolean): number {
  if (isExact) {
    const middle = before / 2 + after / 2;
    return middle > before && middle <= after ? middle : after;
  }
  return after > 0 ? after : before - before * Number.EPSILON;
}

/** Edges ascend strictly: bins that rounding has made empty are joined with the next. */
function withoutDoubles(edges: readonly number[], counts: readonly number[]): Bins {
  const kept: number[] = [];
  const bins: number[] = [counts[0] ?? 0];
  edges.forEach((edge, at) => {
    const count = counts[at + 1] ?? 0;
    const last = kept.at(-1);
    if (last !== undefined && edge <= last) bins[bins.length - 1] = (bins.at(-1) ?? 0) + count;
    else {
      kept.push(edge);
      bins.push(count);
    }
  });
  return { edges: kept, counts: bins };
}

function referenceOfWords({
  values,
  counts,
  total,
  missing,
  limit,
}: CategoricalSketchForm): FeatureReference | undefined {
  if (total + missing === 0) return undefined;
  const least = limit === undefined ? 0 : total * LEAST_NAMED_SHARE;
  const named = values
    .map((value, at) => ({ value, count: counts[at] ?? 0 }))
    .filter(({ count }) => count > 0 && count >= least)
    .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1))
    .slice(0, MAX_CATEGORIES);
  // Words that are all different have nothing to compare.
  if (named.length === 0 && missing === 0) return undefined;
  return {
    kind: "categorical",
    categories: named.map(({ value }) => value),
    counts: [...named.map(({ count }) => count), total - sum(named.map(({ count }) => count))],
    missing,
  };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
