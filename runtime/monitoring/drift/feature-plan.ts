import type { StateBinding } from "../../../common/runtime-config.ts";
import type { Datatype, Signature, TensorSpec } from "../../core/tensor.ts";

/** Tensors of up to so many values a row have a feature for each; of wider ones, statistics of all their values are watched. */
export const MAX_COLUMNS = 32;
export const MAX_FEATURES = 512;
/** Of wider tensors, so many values are looked at, in equal steps. */
export const MAX_WIDE_VALUES = 1_024;
/** To look at so many values may cost what one row of few may; a row of more counts as several. */
const VALUES_OF_ROW = 512;
/** A wide row is also looked at in parts of equal length: what moves within it leaves statistics of the whole as they are. */
export const WIDE_PARTS = 8;

/** What the values of one tensor are watched as. */
export interface TensorPlan {
  readonly tensor: string;
  readonly side: "input" | "output";
  readonly kind: "numbers" | "words" | "statistics";
  readonly isInteger: boolean;
  /** Values of a row. */
  readonly width: number;
  /** In the order in which values of a row are fed to them. */
  readonly features: readonly FeatureSpec[];
}

export interface FeatureSpec {
  readonly name: string;
  readonly side: "input" | "output";
  readonly kind: "numeric" | "categorical";
  readonly isInteger: boolean;
}

/** A signature's tensors whose features are watched. States of sequences are left out: they say nothing of the data. */
export function featurePlanOf(signature: Signature, state: readonly StateBinding[]): TensorPlan[] {
  const inputs = signature.inputs.filter(({ name }) => !state.some(({ input }) => input === name));
  const outputs = signature.outputs.filter(({ name }) => !state.some(({ output }) => output === name));
  const plans = [
    ...inputs.flatMap((spec) => planOfTensor(spec, "input")),
    ...outputs.flatMap((spec) => planOfTensor(spec, "output")),
  ];
  let left = MAX_FEATURES;
  return plans.filter(({ features }) => {
    if (features.length > left) return false;
    left -= features.length;
    return true;
  });
}

/** As how many rows one row counts where the rate of rows is bounded, so that wide ones cost no more time. */
export function rowWeightOf(plans: readonly TensorPlan[]): number {
  const looked = plans.reduce((sum, { width }) => sum + Math.min(width, MAX_WIDE_VALUES), 0);
  return Math.max(1, Math.round(looked / VALUES_OF_ROW));
}

/** Values of a row of a tensor; infinite where each request may choose. */
export function rowWidthOf({ shape }: Pick<TensorSpec, "shape">): number {
  const rest = shape.slice(1);
  return rest.some((length) => length < 0) ? Number.POSITIVE_INFINITY : rest.reduce((a, b) => a * b, 1);
}

function planOfTensor(spec: TensorSpec, side: "input" | "output"): TensorPlan[] {
  const { name, datatype } = spec;
  const width = rowWidthOf(spec);
  const isInteger = /^U?INT/.test(datatype);
  const about = { tensor: name, side, width, isInteger };
  const isWords = datatype === "BYTES" || datatype === "BOOL";
  if (width === 0) return [];
  if (width > MAX_COLUMNS) {
    // Many words in a row are a text of its own, which categories say nothing of.
    if (isWords) return [];
    const features = [...STATISTICS, ...Array.from({ length: WIDE_PARTS }, (_, part) => `part[${part}]`)].map(
      (statistic): FeatureSpec => ({ name: `${name}.${statistic}`, side, kind: "numeric", isInteger: false }),
    );
    return [{ ...about, kind: "statistics", features }];
  }
  const columns = Array.from({ length: width }, (_, column) => (width === 1 ? name : `${name}[${column}]`));
  const features = columns.flatMap((column): FeatureSpec[] => featuresOfColumn(column, datatype, side, isInteger));
  return [{ ...about, kind: isWords ? "words" : "numbers", features }];
}

/** Of all values of a wide row. */
export const STATISTICS = ["mean", "std", "min", "max", "zeros"] as const;

function featuresOfColumn(
  name: string,
  datatype: Datatype,
  side: "input" | "output",
  isInteger: boolean,
): FeatureSpec[] {
  if (datatype === "BOOL") return [{ name, side, kind: "categorical", isInteger: false }];
  if (datatype !== "BYTES") return [{ name, side, kind: "numeric", isInteger }];
  // Texts may be all different, and still be longer or shorter than before.
  return [
    { name, side, kind: "categorical", isInteger: false },
    { name: `${name}.length`, side, kind: "numeric", isInteger: true },
  ];
}
