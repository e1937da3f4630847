import { writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { styleText } from "node:util";
import { quantile } from "../common/drift/distances.ts";
import type { LearningFeature } from "../common/drift/learning-sketch.ts";
import { profileOf } from "../common/drift/make-profile.ts";
import type { FeatureReference, Profile } from "../common/drift/profile.ts";
import type { InferenceEngine, LoadedModel } from "../runtime/core/servable.ts";
import { createOnnxEngine } from "../runtime/engine/onnx-engine.ts";
import { CliError } from "./cli-error.ts";
import { interruptible } from "./interruption.ts";
import { findLocalModel } from "./local-model.ts";
import { ModelAnswers } from "./model-answers.ts";
import { cliErrorOf } from "./model-place.ts";
import { ColumnProfileBuilder, ModelProfileBuilder, type ProfileBuilder } from "./profile-builder.ts";
import { RowProgress } from "./progress.ts";
import { Refusals } from "./refusals.ts";
import { readRows } from "./row-source.ts";
import { printable, table } from "./table.ts";

export interface ProfileOptions {
  /** An .onnx file, or a folder with one. */
  readonly model?: string;
  /** Where the profile is written. */
  readonly out: string;
  /** Columns that are outputs, where no model says so. */
  readonly output: readonly string[];
  /** Whether the model is asked for outputs that are no columns. */
  readonly run: boolean;
  readonly json?: boolean;
}

/** Fewer rows make a reference that hides what has moved. */
const FEW_ROWS = 500;

/** Makes a profile of the rows of a file. Throws {@link CliError} for what the user can mend. */
export async function profile(rows: string, options: ProfileOptions): Promise<void> {
  await interruptible(async (signal) => {
    await using engine = createOnnxEngine({ intraOpThreads: availableParallelism() });
    const model = options.model === undefined ? undefined : await load(engine, options.model, signal);
    const { features, count } = await readFeatures(rows, { ...options, model, signal });
    const made = profileOf(features, count);
    if (count < FEW_ROWS) note(`of ${count} rows, chance hides changes: 1,000 or more are better`);
    await writeProfile(options.out, made);
    process.stdout.write(options.json === true ? `${JSON.stringify(made)}\n` : textOf(made, options.out));
  }, "Interrupted: no profile was written.");
}

async function load(engine: InferenceEngine, model: string, signal: AbortSignal): Promise<LoadedModel> {
  const { file } = await findLocalModel(model);
  try {
    return await engine.load(file, signal, { concurrency: { placement: "Worker" } });
  } catch (error) {
    signal.throwIfAborted();
    throw cliErrorOf(error, model);
  }
}

interface ReadOptions extends Pick<ProfileOptions, "output" | "run"> {
  readonly model: LoadedModel | undefined;
  readonly signal: AbortSignal;
}

async function readFeatures(
  rows: string,
  options: ReadOptions,
): Promise<{ readonly features: LearningFeature[]; readonly count: number }> {
  const refusals = new Refusals();
  let builder: ProfileBuilder | undefined;
  let answers: ModelAnswers | undefined;
  let count = 0;
  {
    using progress = new RowProgress(process.stderr, "profiling");
    for await (const row of readRows(rows, options.signal)) {
      if (builder === undefined) {
        builder = builderOf(Object.keys(row), options);
        answers = answersOf(builder, options, refusals);
        noteColumns(builder, answers !== undefined);
      }
      const place = `${rows}, row ${++count}`;
      builder.add(row, place);
      await answers?.add(row, place);
      progress.show(count);
    }
    await answers?.end();
  }
  if (builder === undefined) throw new CliError(`${rows} holds no rows`);
  for (const text of refusals.notes(count)) note(text);
  return { features: builder.features(), count };
}

function builderOf(columns: readonly string[], { model, output }: ReadOptions): ProfileBuilder {
  if (model === undefined) return new ColumnProfileBuilder(columns, output);
  if (output.length > 0) throw new CliError("--output is for files without --model, which knows the outputs");
  return new ModelProfileBuilder(model.signature, columns);
}

/** Undefined where there is nothing to ask, or not all that it takes. */
function answersOf(
  builder: ProfileBuilder,
  { model, run, signal }: ReadOptions,
  refusals: Refusals,
): ModelAnswers | undefined {
  if (model === undefined || !run || !(builder instanceof ModelProfileBuilder)) return undefined;
  const { inputs, missing, answers: plans } = builder.map;
  if (missing.length > 0 || plans.length === 0) return undefined;
  return new ModelAnswers({
    model,
    inputs,
    plans,
    signal,
    answered: (values) => {
      refusals.answered();
      builder.addValues(values);
    },
    refused: (refusal) => refusals.add(refusal),
  });
}

function noteColumns(builder: ProfileBuilder, isAsked: boolean): void {
  if (!(builder instanceof ModelProfileBuilder)) return;
  const { isByOrder, missing, unused, answers } = builder.map;
  if (isByOrder) note("the columns have other names than the input: they are taken in their order");
  if (missing.length > 0) note(`not watched, as there are no columns of them: ${shown(missing)}`);
  if (unused.length > 0) note(`no part of the model: ${shown(unused)}`);
  if (isAsked || answers.length === 0) return;
  const why = missing.length > 0 ? "the model cannot be asked without all of its inputs" : "the model is not asked";
  note(`not watched, as they are no columns and ${why}: ${shown(answers.map(({ tensor }) => tensor))}`);
}

async function writeProfile(file: string, made: Profile): Promise<void> {
  try {
    await writeFile(file, `${JSON.stringify(made)}\n`);
  } catch (cause) {
    throw new CliError(`${file} cannot be written: name another file by --out`, { cause });
  }
}

function textOf({ rows, features }: Profile, file: string): string {
  const lines = features.map(({ name, side, reference }) => [side, printable(name, 60), ...describe(reference)]);
  return `${[
    `${styleText("green", "Profile")} of ${rows} rows, ${features.length} features: ${file}`,
    "",
    ...table([["", "FEATURE", "KIND", "BINS", "MISSING", "VALUES"], ...lines]).map((line) => `  ${line}`),
  ].join("\n")}\n`;
}

function describe(reference: FeatureReference): string[] {
  const counted = reference.counts.reduce((sum, count) => sum + count, 0);
  const missing = `${((100 * reference.missing) / Math.max(1, counted + reference.missing)).toFixed(1)} %`;
  const about = [reference.kind, String(reference.counts.length), missing];
  if (reference.kind === "numeric") {
    const [least, middle, most] = [reference.min, quantile(reference, 0.5) ?? 0, reference.max].map(number);
    return [...about, `${least} to ${most}, median ${middle}`];
  }
  const commonest = reference.categories
    .map((category, at) => ({ category, share: (reference.counts[at] ?? 0) / Math.max(1, counted) }))
    .sort((a, b) => b.share - a.share)
    .slice(0, 3)
    .map(({ category, share }) => `${printable(category, 20)} ${(100 * share).toFixed(0)} %`);
  return [...about, commonest.join(", ")];
}

function number(value: number): string {
  return String(Number(value.toPrecision(4)));
}

function shown(names: readonly string[]): string {
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return (
    names
      .slice(0, 5)
      .map((name) => printable(name, 60))
      .join(", ") + more
  );
}

function note(text: string): void {
  process.stderr.write(`${styleText("yellow", "note:")} ${text}\n`);
}
