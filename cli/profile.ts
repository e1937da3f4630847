import { writeFile } from "node:fs/promises";
import { styleText } from "node:util";
import { quantile } from "../common/drift/distances.ts";
import { profileOf } from "../common/drift/make-profile.ts";
import type { FeatureReference, Profile } from "../common/drift/profile.ts";
import type { Signature } from "../runtime/core/tensor.ts";
import { inspectModel } from "../runtime/engine/inspect-model.ts";
import { CliError } from "./cli-error.ts";
import { interruptible } from "./interruption.ts";
import { findLocalModel } from "./local-model.ts";
import { cliErrorOf } from "./model-place.ts";
import { ColumnProfileBuilder, ModelProfileBuilder, type ProfileBuilder } from "./profile-builder.ts";
import { readRows } from "./row-source.ts";
import { printable, table } from "./table.ts";

export interface ProfileOptions {
  /** An .onnx file, or a folder with one. */
  readonly model?: string;
  /** Where the profile is written. */
  readonly out: string;
  /** Columns that are outputs, where no model says so. */
  readonly output: readonly string[];
  readonly json?: boolean;
}

/** Fewer rows make a reference that hides what has moved. */
const FEW_ROWS = 500;

/** Makes a profile of the rows of a file. Throws {@link CliError} for what the user can mend. */
export async function profile(rows: string, options: ProfileOptions): Promise<void> {
  await interruptible(async (signal) => {
    const signature = options.model === undefined ? undefined : await signatureOf(options.model, signal);
    let builder: ProfileBuilder | undefined;
    let count = 0;
    for await (const row of readRows(rows, signal)) {
      if (builder === undefined) {
        const columns = Object.keys(row);
        builder = builderOf(columns, signature, options);
        noteColumns(builder);
      }
      builder.add(row, `${rows}, row ${++count}`);
    }
    if (builder === undefined) throw new CliError(`${rows} holds no rows`);
    const made = profileOf(builder.features(), count);
    if (count < FEW_ROWS) note(`of ${count} rows, chance hides changes: 1,000 or more are better`);
    await writeProfile(options.out, made);
    process.stdout.write(options.json === true ? `${JSON.stringify(made)}\n` : textOf(made, options.out));
  }, "Interrupted: no profile was written.");
}

async function signatureOf(model: string, signal: AbortSignal): Promise<Signature> {
  const { file } = await findLocalModel(model);
  try {
    return (await inspectModel(file, signal)).signature;
  } catch (error) {
    signal.throwIfAborted();
    throw cliErrorOf(error, model);
  }
}

function builderOf(
  columns: readonly string[],
  signature: Signature | undefined,
  { output }: ProfileOptions,
): ProfileBuilder {
  if (signature === undefined) return new ColumnProfileBuilder(columns, output);
  if (output.length > 0) throw new CliError("--output is for files without --model, which knows the outputs");
  return new ModelProfileBuilder(signature, columns);
}

function noteColumns(builder: ProfileBuilder): void {
  if (!(builder instanceof ModelProfileBuilder)) return;
  const { isByOrder, missing, unused, tensors } = builder.map;
  if (isByOrder) note("the columns have other names than the input: they are taken in their order");
  if (missing.length > 0) note(`not watched, as there are no columns of them: ${shown(missing)}`);
  if (unused.length > 0) note(`no part of the model: ${shown(unused)}`);
  if (tensors.every(({ plan }) => plan.side === "input")) note("there are no columns of outputs: they are not watched");
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
