import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { styleText } from "node:util";
import { z } from "zod";
import type { ModelConfig } from "../common/runtime-config.ts";
import { syntheticJsonInputs, type JsonTensor, type JsonTensorSpec } from "../common/sample-tensors.ts";
import { drawImage } from "./drawing.ts";
import { sampleInputs } from "./sample-request.ts";
import { shapeText, table } from "./table.ts";

/** Longer requests go into a file, for the sake of the line to copy. */
const LONGEST_INLINE = 1_000;
/** How many elements of an output are shown. */
const SHOWN_ELEMENTS = 12;

const spec = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.number()) });
const metadata = z.object({ inputs: z.array(spec), outputs: z.array(spec) });
const answer = z.object({ outputs: z.array(spec.extend({ data: z.array(z.unknown()) })) });

export interface ReportOptions {
  /** Where the replica answers, without a slash at the end. */
  readonly baseUrl: string;
  readonly model: ModelConfig;
  readonly version: number;
  readonly pvcRoot: string;
  /** For requests that are too long for a line. */
  readonly requestDir: string;
}

/** Asks a model through the replica's port, as any client would, and tells what it is, what it was asked and what it said. */
export async function reportModel(options: ReportOptions): Promise<string> {
  const { baseUrl, model, version } = options;
  const url = `${baseUrl}/v2/models/${model.name}`;
  const { inputs, outputs } = metadata.parse(await getJson(url));
  const lines = [
    `${styleText("bold", model.name)}  version ${version}  ${styleText("dim", model.storageUri)}`,
    ...table([
      ...inputs.map((input) => ["  input", input.name, input.datatype, shapeText(input.shape)]),
      ...outputs.map((output) => ["  output", output.name, output.datatype, shapeText(output.shape)]),
    ]),
    "",
  ];
  const sample = await readSample(options, inputs);
  const request = sample ?? syntheticJsonInputs(inputs);
  const picture = sample?.length === 1 ? drawImage(sample[0]?.data ?? []) : undefined;
  if (picture !== undefined)
    lines.push("  One of its samples, as a picture:", "", ...picture.map((row) => `      ${row}`), "");
  const body = JSON.stringify({ inputs: request });
  lines.push(
    `  ${styleText("bold", "Ask it")}${sample === undefined ? " (zeros, as it brings no samples)" : ""}:`,
    "",
    styleText("cyan", await curlLine(`${url}/infer`, body, options)),
    "",
    `  ${styleText("bold", "Its answer")}:`,
    "",
    ...(await ask(`${url}/infer`, body)),
  );
  return lines.join("\n");
}

async function ask(url: string, body: string): Promise<string[]> {
  const response = await fetch(url, { method: "POST", headers: { "content-type": "application/json" }, body });
  const text = await response.text();
  if (!response.ok) return [`  status ${response.status}: ${text}`];
  const { outputs } = answer.parse(JSON.parse(text));
  return table(
    outputs.map((output) => [`  ${output.name}`, output.datatype, shapeText(output.shape), dataText(output)]),
  );
}

async function getJson(url: string): Promise<unknown> {
  const response = await fetch(url);
  return await response.json();
}

/** The sample that lies beside a model's versions; only for models of this machine. */
async function readSample(
  { model, version, pvcRoot }: ReportOptions,
  inputs: readonly JsonTensorSpec[],
): Promise<readonly JsonTensor[] | undefined> {
  const folder = localFolderOf(model.storageUri, pvcRoot);
  if (folder === undefined) return undefined;
  try {
    return sampleInputs(await readFile(join(folder, "samples.json"), "utf8"), version, inputs);
  } catch {
    return undefined;
  }
}

function localFolderOf(storageUri: string, pvcRoot: string): string | undefined {
  if (storageUri.startsWith("file://")) return fileURLToPath(storageUri);
  if (storageUri.startsWith("pvc://")) return join(pvcRoot, decodeURIComponent(storageUri.slice("pvc://".length)));
  return undefined;
}

async function curlLine(url: string, body: string, { requestDir, model }: ReportOptions): Promise<string> {
  const curl = `curl -s ${url} -H 'content-type: application/json' -d`;
  if (body.length <= LONGEST_INLINE) return `${curl} '${body.replaceAll("'", String.raw`'\''`)}'`;
  const file = join(requestDir, `${model.name}.json`);
  await mkdir(requestDir, { recursive: true });
  await writeFile(file, body);
  return `${curl} '@${file}'`;
}

function dataText({ data }: { readonly data: readonly unknown[] }): string {
  const numbers = data.filter((element) => typeof element === "number");
  // Shares and probabilities, which are read side by side.
  const isShare = numbers.some((value) => !Number.isInteger(value)) && numbers.every((value) => Math.abs(value) <= 1);
  const shown = data.slice(0, SHOWN_ELEMENTS).map((element) => {
    if (typeof element !== "number") return JSON.stringify(element) ?? "nothing";
    return isShare ? element.toFixed(4) : String(Number(element.toPrecision(6)));
  });
  return `${shown.join(" ")}${data.length > SHOWN_ELEMENTS ? " …" : ""}`;
}
