import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InferenceEngine, LoadedModel } from "../../runtime/core/servable.ts";
import { createOnnxEngine } from "../../runtime/engine/onnx-engine.ts";
import { startServer, type FakeModel, type TestServer } from "./http-fixtures.ts";

const EXAMPLES = path.join(import.meta.dirname, "../../examples/models");

interface SampleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly (number | string)[];
}
interface Sample {
  readonly request: { readonly inputs: readonly SampleTensor[] };
  readonly outputs: readonly SampleTensor[];
}

function samplesOf(model: string): Readonly<Record<string, Sample>> {
  return JSON.parse(readFileSync(path.join(EXAMPLES, model, "samples.json"), "utf8")) as Record<string, Sample>;
}

const MODELS = readdirSync(EXAMPLES).filter((name) => !name.startsWith("."));
/** Each version is served as a model of its own. */
const CASES = MODELS.flatMap((model) =>
  Object.entries(samplesOf(model)).map(([version, sample]) => ({
    name: `${model}-${version}`,
    model,
    version,
    sample,
  })),
);

let engine: InferenceEngine;
let server: TestServer;
const loaded = new Map<string, LoadedModel>();

beforeAll(async () => {
  engine = createOnnxEngine();
  const models: FakeModel[] = [];
  for (const { name, model, version } of CASES) {
    const file = path.join(EXAMPLES, model, version, "model.onnx");
    const onnx = await engine.load(file, AbortSignal.timeout(30_000));
    loaded.set(name, onnx);
    models.push({
      name,
      signature: onnx.signature,
      infer: async (inputs, outputs, signal) => (await onnx.infer({ inputs, outputs }, signal)).outputs,
    });
  }
  server = await startServer(models);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
});

async function postJson(url: string, body: unknown): Promise<{ readonly status: number; readonly body: unknown }> {
  const answer = await fetch(`${server.origin}${url}`, {
    method: "POST",
    body: JSON.stringify(body),
    headers: { "content-type": "application/json" },
  });
  return { status: answer.status, body: await answer.json() };
}

/** Flat elements as nested arrays of a shape. */
function nest(data: readonly unknown[], [, ...inner]: readonly number[]): unknown {
  if (inner.length === 0) return data;
  const step = inner.reduce((product, length) => product * length, 1);
  const parts = Array.from({ length: data.length / step }, (_, index) => data.slice(index * step, (index + 1) * step));
  return parts.map((part) => nest(part, inner));
}

/** Numbers as near as one sixth of a million of them, texts as they are: kernels differ from machine to machine. */
function near(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(near);
  if (typeof value !== "number" || Number.isInteger(value)) return value;
  return expect.closeTo(value, 4);
}

describe.each(CASES)("$name", ({ name, sample }) => {
  test("answers its samples in v2, flat and nested", async () => {
    const outputs = sample.outputs.map((output) => ({ ...output, data: near(output.data) }));
    const nested = sample.request.inputs.map((input) => ({ ...input, data: nest(input.data, input.shape) }));
    for (const inputs of [sample.request.inputs, nested]) {
      const { status, body } = await postJson(`/v2/models/${name}/infer`, { id: "s", inputs });
      expect({ status, body }).toEqual({
        status: 200,
        body: { model_name: name, model_version: "1", id: "s", outputs },
      });
    }
  });

  test("refuses what does not fit, and is told of its own shapes", async () => {
    const [spec] = loaded.get(name)?.signature.inputs ?? [];
    const { status, body } = await postJson(`/v2/models/${name}/infer`, {
      inputs: [
        { name: spec?.name, shape: [1, 1, 1], datatype: spec?.datatype, data: spec?.datatype === "BYTES" ? [""] : [1] },
      ],
    });
    expect({ status, body }).toEqual({
      status: 400,
      body: { error: expect.stringContaining(`expected shape [${spec?.shape.join(",")}]`) as string },
    });
  });

  test("refuses a batch of no rows, which models fail on", async () => {
    const inputs = sample.request.inputs.map((input) => ({ ...input, shape: [0, ...input.shape.slice(1)], data: [] }));
    const { status, body } = await postJson(`/v2/models/${name}/infer`, { inputs });
    expect({ status, body }).toEqual({
      status: 400,
      body: { error: expect.stringContaining("expected a batch of 1 or more, got shape [0") as string },
    });
  });
});

const WITH_ONE_INPUT = CASES.filter(({ sample }) => sample.request.inputs.length === 1);

describe.each(WITH_ONE_INPUT)("$name", ({ name, sample }) => {
  test("answers its samples in the plain dialect, as a batch and one by one", async () => {
    const [input] = sample.request.inputs as [SampleTensor];
    const [output] = sample.outputs as [SampleTensor];
    const batch = nest(input.data, input.shape) as readonly unknown[];
    const prediction = nest(output.data, output.shape) as readonly unknown[];
    expect(await postJson(`/predict/${name}`, { input: batch })).toEqual({
      status: 200,
      body: { prediction: near(prediction) },
    });
    for (const [row, instance] of batch.entries()) {
      const { status, body } = await postJson(`/predict/${name}`, { input: instance });
      expect({ status, body }).toEqual({ status: 200, body: { prediction: near(prediction[row]) } });
    }
  });
});
