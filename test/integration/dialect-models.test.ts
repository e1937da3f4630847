import { readFile } from "node:fs/promises";
import path from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../programs/free-ports.ts";
import { EXAMPLES, eventually, ProcessUnderTest, ROOT, temporaryFolder } from "./runtime-under-test.ts";

/** Real models behind each dialect: what they answer is what their samples say, and the same whoever asks. */

interface SampleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: readonly (number | string)[];
}
interface Sample {
  readonly request: { readonly inputs: readonly SampleTensor[] };
  readonly outputs: readonly SampleTensor[];
}

async function sampleOf(model: string, version: string): Promise<Sample> {
  const text = await readFile(path.join(EXAMPLES, "models", model, "samples.json"), "utf8");
  return (JSON.parse(text) as Record<string, Sample>)[version] as Sample;
}

/** The rows of a tensor in two dimensions. */
function rowsOf({ shape: [rows = 0, width = 1], data }: SampleTensor): (number | string)[][] {
  return Array.from({ length: rows }, (_, row) => data.slice(row * width, (row + 1) * width));
}

/** Starts a replica as SageMaker would, except for the folder of the model. */
async function startAsSageMaker(model: string): Promise<{ readonly url: string; readonly process: ProcessUnderTest }> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const [port = 0, spare = 0] = await freePorts(2);
    const process = new ProcessUnderTest([path.join(ROOT, "runtime/main.ts"), "serve"], {
      SAGEMAKER_BIND_TO_PORT: String(port),
      SAGEMAKER_SAFE_PORT_RANGE: `${spare}-${spare}`,
      LOCKSTEP_HOST: "127.0.0.1",
      LOCKSTEP_MODEL_DIR: await temporaryFolder(),
      LOCKSTEP_STORAGE_URI: `file://${EXAMPLES}/models/${model}`,
    });
    const url = `http://127.0.0.1:${port}`;
    if (await becomesReady(url, process)) return { url, process };
  }
  throw new Error("expected a port that nobody takes before the replica does");
}

/** Waits until a replica answers its health check; false if it ends, because another process took its port. */
async function becomesReady(url: string, process: ProcessUnderTest): Promise<boolean> {
  return await eventually(
    async () => {
      if (process.child.exitCode !== null) {
        expect(process.output).toContain("EADDRINUSE");
        return false;
      }
      return (await fetch(`${url}/ping`).catch(() => undefined))?.status === 200 ? true : undefined;
    },
    () => `a replica that is ready, got:\n${process.output}`,
  );
}

async function postText(url: string, body: string | Uint8Array, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(url, {
    method: "POST",
    body,
    headers: { "content-type": "application/json", ...headers },
  });
  const text = await answer.text();
  expect(`${answer.status} ${answer.ok ? "" : text}`).toBe("200 ");
  return text;
}

async function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<unknown> {
  return JSON.parse(await postText(url, JSON.stringify(body), headers));
}

function close(numbers: readonly (number | string)[]): unknown[] {
  return numbers.map((number) => expect.closeTo(Number(number), 5) as unknown);
}

describe("a classifier of numbers: iris", () => {
  test("is asked in every dialect", async () => {
    const { url } = await startAsSageMaker("iris");
    const sample = await sampleOf("iris", "1");
    const [input, [labels, probabilities]] = [sample.request.inputs[0], sample.outputs];
    if (input === undefined || labels === undefined || probabilities === undefined) throw new Error("no sample");
    const rows = rowsOf(input);
    const scores = rowsOf(probabilities);
    const expected = rows.map((_, row) => ({
      label: labels.data[row],
      probabilities: close(scores[row] ?? []),
    }));
    const columns = ["sepal length", "sepal width", "petal length", "petal width"];
    const records = rows.map((row) => Object.fromEntries(row.map((cell, column) => [columns[column] ?? "", cell])));
    const csv = rows.map((row) => row.join(",")).join("\n");
    const text = { "content-type": "text/csv" };

    const predict = `${url}/v1/models/iris:predict`;
    const invocations = `${url}/invocations`;
    const predictions = { predictions: expected };
    const whole = { label: labels.data, probabilities: scores.map(close) };
    expect(await postJson(predict, { instances: rows })).toEqual(predictions);
    expect(await postJson(predict, { instances: rows.map((row) => ({ input: row })) })).toEqual(predictions);
    expect(await postJson(predict, { inputs: rows })).toEqual({ outputs: whole });
    expect(await postJson(invocations, { instances: rows })).toEqual(predictions);
    expect(await postJson(invocations, rows)).toEqual(predictions);
    expect(await postJson(invocations, { inputs: { input: rows } })).toEqual({ predictions: whole });
    expect(await postJson(invocations, { dataframe_split: { columns, data: rows } })).toEqual(predictions);
    expect(await postJson(invocations, { dataframe_records: records })).toEqual(predictions);
    expect(JSON.parse(await postText(invocations, csv, text))).toEqual(predictions);
    expect(JSON.parse(await postText(invocations, `${columns.join(",")}\n${csv}`, text))).toEqual(predictions);
    const lines = (await postText(invocations, csv, { ...text, accept: "text/csv" })).trimEnd().split("\n");
    expect(lines.map((line) => line.split(",").map(Number))).toEqual(
      rows.map((_, row) => close([labels.data[row] ?? "", ...(scores[row] ?? [])])),
    );

    const classified = await postJson(`${url}/v1/models/iris:classify`, { examples: records });
    expect(classified).toEqual({
      results: scores.map((row, index) =>
        row.map((score) => [
          Number(score) === Math.max(...row.map(Number)) ? String(labels.data[index]) : "",
          expect.closeTo(Number(score), 5) as unknown,
        ]),
      ),
    });
  });

  test("is asked in the binary form of Triton on SageMaker", async () => {
    const { url } = await startAsSageMaker("iris");
    const [input] = (await sampleOf("iris", "1")).request.inputs;
    const data = new Uint8Array(Float32Array.from((input?.data ?? []).map(Number)).buffer);
    const json = JSON.stringify({
      inputs: [{ name: "input", shape: input?.shape, datatype: "FP32", parameters: { binary_data_size: data.length } }],
      outputs: [{ name: "label", parameters: { binary_data: true } }],
    });
    const answer = await fetch(`${url}/invocations`, {
      method: "POST",
      body: Buffer.concat([Buffer.from(json), data]),
      headers: { "content-type": `application/vnd.sagemaker-triton.binary+json;json-header-size=${json.length}` },
    });
    const size = /^application\/vnd\.sagemaker-triton\.binary\+json;json-header-size=(\d+)$/.exec(
      answer.headers.get("content-type") ?? "",
    )?.[1];
    const bytes = new Uint8Array(await answer.arrayBuffer());
    expect(new BigInt64Array(bytes.slice(Number(size)).buffer)).toEqual(BigInt64Array.of(0n, 1n, 2n));
  });
});

describe("others", () => {
  let sample: Sample;
  beforeAll(async () => {
    sample = await sampleOf("diabetes", "1");
  });

  test("a regression: diabetes", async () => {
    const { url } = await startAsSageMaker("diabetes");
    const [input, [output]] = [sample.request.inputs[0], sample.outputs];
    if (input === undefined || output === undefined) throw new Error("no sample");
    const examples = rowsOf(input).map((row) => ({ input: row }));
    const values = close(output.data);
    expect(await postJson(`${url}/v1/models/diabetes:regress`, { examples })).toEqual({ results: values });
    expect(await postJson(`${url}/v1/models/diabetes:predict`, { instances: rowsOf(input) })).toEqual({
      predictions: values.map((value) => [value]),
    });
  });

  test("texts: topic", async () => {
    const { url } = await startAsSageMaker("topic");
    const { request, outputs } = await sampleOf("topic", "1");
    const texts = (request.inputs[0]?.data ?? []).map(String);
    const labels = outputs[0]?.data;
    const b64 = texts.map((text) => ({ b64: Buffer.from(text).toString("base64") }));
    const answers = [
      await postJson(`${url}/v1/models/topic:predict`, { instances: texts }),
      await postJson(`${url}/v1/models/topic:predict`, { instances: b64 }),
      await postJson(`${url}/invocations`, { dataframe_records: texts.map((text) => ({ text })) }),
      JSON.parse(
        await postText(`${url}/invocations`, texts.map((text) => `"${text}"\n`).join(""), {
          "content-type": "text/csv",
        }),
      ) as unknown,
    ] as { readonly predictions: readonly { readonly label: string }[] }[];
    for (const { predictions } of answers) expect(predictions.map(({ label }) => label)).toEqual(labels);
  });

  test("the process ends when it is told to", async () => {
    const { process } = await startAsSageMaker("iris");
    process.child.kill("SIGTERM");
    expect(await process.exited).toEqual({ code: 0, signal: null });
  });
});
