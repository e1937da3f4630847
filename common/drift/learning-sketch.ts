import * as z from "zod";
import { CategoricalSketch, categoricalSketchForm } from "./categorical-sketch.ts";
import { NumericSketch, numericSketchForm } from "./numeric-sketch.ts";

/** What came of one feature before there is a reference. Only counts, so that sums of replicas are exact. */
export type LearningSketch = NumericSketch | CategoricalSketch;

const form = z.discriminatedUnion("kind", [numericSketchForm, categoricalSketchForm]);

/** Reads the JSON form of a sketch. Throws if it is none. */
export function parseLearningSketch(value: unknown): LearningSketch {
  const json = form.parse(value);
  return json.kind === "numeric" ? NumericSketch.of(json) : CategoricalSketch.of(json);
}

/** A feature as replicas tell of it while they learn. */
export interface LearningFeature {
  readonly name: string;
  readonly side: "input" | "output";
  /** The JSON form of a {@link LearningSketch}. */
  readonly sketch: z.core.util.JSONType;
}

/** Features with their sketches, in the order of {@link compareFeatures}. */
export function writeLearning(
  features: readonly { readonly name: string; readonly side: "input" | "output"; readonly sketch: LearningSketch }[],
): LearningFeature[] {
  return features
    .map(({ name, side, sketch }) => ({ name, side, sketch: sketch.toJSON() as z.core.util.JSONType }))
    .sort(compareFeatures);
}

/** All values of two replicas, or of two times. Throws if a sketch cannot be read. */
export function mergeLearning(a: readonly LearningFeature[], b: readonly LearningFeature[]): LearningFeature[] {
  const merged = new Map<string, { name: string; side: "input" | "output"; sketch: LearningSketch }>();
  for (const { name, side, sketch: json } of [...a, ...b]) {
    const sketch = parseLearningSketch(json);
    const known = merged.get(`${side} ${name}`);
    if (known === undefined) merged.set(`${side} ${name}`, { name, side, sketch });
    else known.sketch = together(known.sketch, sketch);
  }
  return writeLearning([...merged.values()]);
}

/** One version has features of one kind each; should it not be so, numbers are kept, whichever comes first. */
function together(a: LearningSketch, b: LearningSketch): LearningSketch {
  if (a.kind === "numeric" && b.kind === "numeric") a.merge(b);
  else if (a.kind === "categorical" && b.kind === "categorical") a.merge(b);
  else return a.kind === "numeric" ? a : b;
  return a;
}

const names = new Intl.Collator("en", { numeric: true });

interface Named {
  readonly name: string;
  readonly side: "input" | "output";
}

/** Inputs before outputs, then by name, `x[2]` before `x[10]`. */
export function compareFeatures(a: Named, b: Named): number {
  if (a.side !== b.side) return a.side === "input" ? -1 : 1;
  return names.compare(a.name, b.name) || (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
