import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { extname } from "node:path";
import { createInterface } from "node:readline";
import { CliError } from "./cli-error.ts";
import { csvRows, CsvError } from "./csv.ts";

/** Values by column. */
export type Row = Readonly<Record<string, unknown>>;

/** JSON has to be read as a whole. */
const MAX_JSON_BYTES = 512 * 1024 * 1024;
/** Rows of Parquet in memory at a time. */
const PARQUET_ROWS = 4_096;

const FORMATS: Readonly<Record<string, (file: string, signal: AbortSignal) => AsyncIterable<Row>>> = {
  ".csv": rowsOfCsv,
  ".json": rowsOfJson,
  ".ndjson": rowsOfLines,
  ".jsonl": rowsOfLines,
  ".parquet": rowsOfParquet,
};

/** The rows of a file, by its ending. Only JSON is held in memory. Throws {@link CliError} for what is no such file. */
export async function* readRows(file: string, signal: AbortSignal): AsyncGenerator<Row> {
  const read = FORMATS[extname(file).toLowerCase()];
  if (read === undefined) {
    throw new CliError(`${file}: expected a file that ends in ${Object.keys(FORMATS).join(", ")}`);
  }
  if ((await stat(file).catch(() => undefined))?.isFile() !== true) {
    throw new CliError(`${file} does not exist, or is not a file`);
  }
  try {
    yield* read(file, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CliError) throw error;
    if (error instanceof CsvError) throw new CliError(`${file} ${error.message}`, { cause: error });
    throw new CliError(`${file} cannot be read: is it what its name says?`, { cause: error });
  }
}

async function* rowsOfCsv(file: string, signal: AbortSignal): AsyncGenerator<Row> {
  const pieces = createReadStream(file, {
    encoding: "utf8",
    signal,
    highWaterMark: 256 * 1024,
  }) as AsyncIterable<string>;
  let columns: readonly string[] | undefined;
  // The names are no row.
  let number = 0;
  for await (const fields of csvRows(pieces)) {
    if (columns === undefined)
      columns = namesOf(
        fields.map((name) => name.trim()),
        file,
      );
    else yield rowOf(columns, fields, `${file}, row ${++number}`);
  }
}

async function* rowsOfLines(file: string, signal: AbortSignal): AsyncGenerator<Row> {
  const lines = createInterface({ input: createReadStream(file, { signal }), crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() === "") continue;
    const place = `${file}, line ${number}`;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (cause) {
      throw new CliError(`${place}: expected a row in JSON`, { cause });
    }
    yield objectOf(row, place);
  }
}

async function* rowsOfJson(file: string, signal: AbortSignal): AsyncGenerator<Row> {
  if ((await stat(file)).size > MAX_JSON_BYTES) {
    throw new CliError(`${file} is too large to be read as a whole: write one row in a line, and name it .ndjson`);
  }
  const json: unknown = JSON.parse(await readFile(file, { encoding: "utf8", signal }));
  if (Array.isArray(json)) {
    for (const [at, row] of json.entries()) yield objectOf(row, `${file}, row ${at + 1}`);
    return;
  }
  // As pandas' to_json(orient="split") writes it.
  const { columns, rows, data } = objectOf(json, file);
  const lists = rows ?? data;
  if (!Array.isArray(columns) || !Array.isArray(lists)) {
    throw new CliError(`${file}: expected an array of rows, or an object with columns and rows`);
  }
  const names = namesOf(columns.map(String), file);
  for (const [at, row] of lists.entries()) {
    if (!Array.isArray(row)) throw new CliError(`${file}, row ${at + 1}: expected an array of values`);
    yield rowOf(names, row, `${file}, row ${at + 1}`);
  }
}

async function* rowsOfParquet(file: string, signal: AbortSignal): AsyncGenerator<Row> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const buffer = await asyncBufferFromFile(file);
  const metadata = await parquetMetadataAsync(buffer);
  const count = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < count; rowStart += PARQUET_ROWS) {
    signal.throwIfAborted();
    const rowEnd = Math.min(count, rowStart + PARQUET_ROWS);
    yield* await parquetReadObjects({ file: buffer, metadata, rowStart, rowEnd });
  }
}

function namesOf(names: readonly string[], file: string): readonly string[] {
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new CliError(`${file} has two columns of the name ${JSON.stringify(twice)}`);
  return names;
}

function rowOf(columns: readonly string[], values: readonly unknown[], place: string): Row {
  if (values.length !== columns.length) {
    throw new CliError(`${place}: expected ${columns.length} values, one for each column, got ${values.length}`);
  }
  return Object.fromEntries(columns.map((column, at) => [column, values[at]]));
}

function objectOf(row: unknown, place: string): Row {
  if (typeof row === "object" && row !== null && !Array.isArray(row)) return row as Row;
  throw new CliError(`${place}: expected an object with a value for each column`);
}
