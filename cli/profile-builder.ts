import { CategoricalSketch, categoryOf } from "../common/drift/categorical-sketch.ts";
import { writeLearning, type LearningFeature, type LearningSketch } from "../common/drift/learning-sketch.ts";
import { NumericSketch } from "../common/drift/numeric-sketch.ts";
import { feedFeatures, type FeatureSink } from "../runtime/monitoring/drift/feed-features.ts";
import type { FeatureSpec, TensorPlan } from "../runtime/monitoring/drift/feature-plan.ts";
import type { SampledValues } from "../runtime/monitoring/drift/sampled-values.ts";
import type { Signature } from "../runtime/core/tensor.ts";
import { CliError } from "./cli-error.ts";
import { mapColumns, numberOf, textOf, valuesOfRow, type ColumnMap } from "./profile-columns.ts";
import type { Row } from "./row-source.ts";

const MAX_COLUMNS = 512;

/** Makes features of rows, one row at a time. */
export interface ProfileBuilder {
  /** `place` is the row's, for messages. Throws CliError for a row that is not like the others. */
  add(row: Row, place: string): void;
  features(): LearningFeature[];
}

interface WatchedTensor {
  readonly features: readonly (FeatureSpec & { readonly sketch: LearningSketch })[];
  readonly sinks: readonly FeatureSink[];
}

/** Of a model's tensors, found among the columns, and of what it answers. */
export class ModelProfileBuilder implements ProfileBuilder {
  readonly map: ColumnMap;
  /** In the order in which values of them came. */
  readonly #watched = new Map<TensorPlan, WatchedTensor>();

  /** Throws CliError where no input is among the columns. */
  constructor(signature: Signature, columns: readonly string[]) {
    this.map = mapColumns(signature, columns);
  }

  add(row: Row, place: string): void {
    for (const tensor of this.map.tensors) this.addValues(valuesOfRow(tensor, row, place));
  }

  /** Of a tensor that is no column, of any number of rows. */
  addValues(values: SampledValues): void {
    const { plan } = values;
    let watched = this.#watched.get(plan);
    if (watched === undefined) this.#watched.set(plan, (watched = watchedOf(plan)));
    feedFeatures(values, watched.sinks);
  }

  features(): LearningFeature[] {
    return writeLearning([...this.#watched.values()].flatMap(({ features }) => features));
  }
}

function watchedOf(plan: TensorPlan): WatchedTensor {
  const features = plan.features.map((feature) => ({
    ...feature,
    sketch: feature.kind === "numeric" ? new NumericSketch(feature.isInteger) : new CategoricalSketch(),
  }));
  return { features, sinks: features.map(({ sketch }) => sinkOf(sketch)) };
}

/** A column whose kind its values tell. */
interface ColumnSketches {
  readonly name: string;
  readonly numbers: NumericSketch;
  readonly words: CategoricalSketch;
  readonly lengths: NumericSketch;
  hasText: boolean;
}

/** Of all columns, where no model says what they are: numbers, unless some value is none. */
export class ColumnProfileBuilder implements ProfileBuilder {
  readonly #columns: readonly ColumnSketches[];
  readonly #outputs: ReadonlySet<string>;

  /** Throws CliError for too many columns. */
  constructor(columns: readonly string[], outputs: readonly string[]) {
    if (columns.length > MAX_COLUMNS) {
      throw new CliError(
        `there are ${columns.length} columns, and a profile has ${MAX_COLUMNS} features at most: name the model by --model, ` +
          "so that wide inputs are summed up",
      );
    }
    const absent = outputs.find((name) => !columns.includes(name));
    if (absent !== undefined) throw new CliError(`--output ${absent}: there is no such column`);
    this.#outputs = new Set(outputs);
    this.#columns = columns.map((name) => ({
      name,
      numbers: new NumericSketch(false),
      words: new CategoricalSketch(),
      lengths: new NumericSketch(true),
      hasText: false,
    }));
  }

  add(row: Row, place: string): void {
    for (const column of this.#columns) {
      const cell = row[column.name];
      if (typeof cell === "object" && cell !== null) {
        throw new CliError(`${place}, ${column.name}: lists of values need --model, which says what they are`);
      }
      const word = textOf(cell);
      column.words.add(categoryOf(word));
      column.lengths.add(word.length);
      if (typeof cell === "boolean" || isText(cell)) column.hasText = true;
      else column.numbers.add(numberOf(cell, place));
    }
  }

  features(): LearningFeature[] {
    const made = this.#columns.flatMap(({ name, numbers, words, lengths, hasText }) => {
      const side = this.#outputs.has(name) ? ("output" as const) : ("input" as const);
      return hasText
        ? [
            { name, side, sketch: words },
            { name: `${name}.length`, side, sketch: lengths },
          ]
        : [{ name, side, sketch: numbers }];
    });
    return writeLearning(made);
  }
}

function isText(cell: unknown): boolean {
  if (typeof cell !== "string") return false;
  try {
    numberOf(cell, "");
    return false;
  } catch {
    return true;
  }
}

function sinkOf(sketch: LearningSketch): FeatureSink {
  return {
    addNumber: (value) => (sketch.kind === "numeric" ? sketch.add(value) : sketch.add(String(value))),
    addCategory: (value) => (sketch.kind === "categorical" ? sketch.add(value) : sketch.addMissing()),
  };
}
