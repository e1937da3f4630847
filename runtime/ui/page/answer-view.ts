/** An output, as the answer has it. */
export interface OutputView {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  /** Rows of the first dimension, cut after so many rows and columns. */
  readonly rows: readonly (readonly string[])[];
  /** What is left out. */
  readonly hidden: number;
  /** Shares of classes in the first row, greatest first, where the output looks like that. */
  readonly scores: readonly Score[];
}

export interface Score {
  readonly index: number;
  readonly value: number;
}

/** A span of the header Server-Timing. */
export interface TimingSpan {
  readonly name: string;
  readonly durationMs: number;
  readonly description: string;
}

const MOST_ROWS = 20;
const MOST_COLUMNS = 32;
const MOST_SCORES = 10;
const MOST_CLASSES = 2_000;

interface JsonOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: readonly unknown[];
}

/** The outputs in an answer's body; undefined if it is no such answer. */
export function outputsOf(text: string): readonly OutputView[] | undefined {
  try {
    const { outputs } = parseExactly(text) as { readonly outputs?: readonly JsonOutput[] };
    return outputs?.map(outputView);
  } catch {
    return undefined;
  }
}

/** Whole numbers that are too large for JavaScript stay texts, where the browser tells how they were written. */
function parseExactly(text: string): unknown {
  const reviver = (_key: string, value: unknown, context?: { readonly source?: string }): unknown =>
    typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)
      ? new ExactNumber(context?.source ?? String(value))
      : value;
  return JSON.parse(text, reviver);
}

class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function outputView({ name, datatype, shape, data = [] }: JsonOutput): OutputView {
  const rowCount = shape.length > 1 ? (shape[0] ?? 1) : 1;
  const width = rowCount === 0 ? 0 : data.length / rowCount;
  const shownRows = Math.min(rowCount, MOST_ROWS);
  const shownColumns = Math.min(width, MOST_COLUMNS);
  const rows = Array.from({ length: shownRows }, (_, row) =>
    data.slice(row * width, row * width + shownColumns).map(elementText),
  );
  return {
    name,
    datatype,
    shape,
    rows,
    hidden: data.length - shownRows * shownColumns,
    scores: scoresOf(datatype, data.slice(0, width)),
  };
}

/** Shares are numbers from 0 to 1 that add up to 1. */
function scoresOf(datatype: string, row: readonly unknown[]): readonly Score[] {
  if (!/^(FP|BF)/.test(datatype) || row.length < 2 || row.length > MOST_CLASSES) return [];
  const values = row.map(Number);
  const sum = values.reduce((total, value) => total + value, 0);
  if (!values.every((value) => value >= 0 && value <= 1.000_01) || Math.abs(sum - 1) > 0.01) return [];
  return values
    .map((value, index) => ({ index, value }))
    .toSorted((a, b) => b.value - a.value)
    .slice(0, MOST_SCORES);
}

function elementText(element: unknown): string {
  if (element instanceof ExactNumber) return element.text;
  if (typeof element === "number")
    return String(Number(element.toPrecision(6)) === element ? element : element.toPrecision(6));
  return typeof element === "string" ? element : JSON.stringify(element);
}

/** The spans of a header such as `queue;dur=0.08, compute;dur=0.03;desc="batch of 3"`. */
export function timingSpans(header: string | undefined): readonly TimingSpan[] {
  return (header ?? "").split(",").flatMap((part) => {
    const [name = "", ...parameters] = part.trim().split(";");
    const valueOf = (key: string): string | undefined =>
      parameters.find((parameter) => parameter.startsWith(`${key}=`))?.slice(key.length + 1);
    const durationMs = Number(valueOf("dur"));
    if (name === "" || !Number.isFinite(durationMs)) return [];
    return [{ name, durationMs, description: valueOf("desc")?.replaceAll('"', "") ?? "" }];
  });
}
