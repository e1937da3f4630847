import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Placement } from "../../../../common/runtime-config.ts";
import type { LoadedModel, ModelObserver, RunObservation } from "../../../../runtime/core/servable.ts";
import type { Tensor } from "../../../../runtime/core/tensor.ts";
import { createOnnxEngine } from "../../../../runtime/engine/onnx-engine.ts";
import { heavyModel, int64s, loopModel, memoryModel, onnxModel } from "../../../fixtures/onnx-builder.ts";

const IRIS = new URL("../../../../examples/models/iris/1/model.onnx", import.meta.url).pathname;
const ENGINE = path.resolve(import.meta.dirname, "../../../../runtime/engine/onnx-engine.ts");
const patience = new AbortController().signal;

let folder = "";
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "lockstep-placement-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

async function fileOf(bytes: Uint8Array): Promise<string> {
  const file = path.join(folder, String(files++), "model.onnx");
  await mkdir(path.dirname(file));
  await writeFile(file, bytes);
  return file;
}

async function load(file: string, placement?: Placement, observer?: ModelObserver): Promise<LoadedModel> {
  const engine = createOnnxEngine({ cpus: 1 });
  onTestFinished(() => engine[Symbol.asyncDispose]());
  return await engine.load(file, patience, {
    ...(placement !== undefined && { concurrency: { placement } }),
    ...(observer !== undefined && { observer }),
  });
}

async function run(model: LoadedModel, ...inputs: Tensor[]): Promise<readonly Tensor[]> {
  const outputs = model.signature.outputs.map(({ name }) => name);
  return (await model.infer({ inputs, outputs }, patience)).outputs;
}

function flowers(rows: number): Tensor {
  const data = Float32Array.from({ length: rows * 4 }, (_, index) => (index * 7919) % 8);
  return { name: "input", datatype: "FP32", shape: [rows, 4], data };
}

/**
 * Only runs that are known to be short are made on the serving thread. On a busy machine the first ones may not be: each
 * that is halves what is thought of them.
 */
async function untilQuick(again: () => Promise<unknown>): Promise<void> {
  for (let quick = 0; quick < 12;) {
    const startMs = performance.now();
    await again();
    quick = performance.now() - startMs < 5 ? quick + 1 : 0;
  }
}

function trips(count: bigint): Tensor {
  return { name: "trips", datatype: "INT64", shape: [1], data: BigInt64Array.of(count) };
}

describe("a model", () => {
  test("that is small, quick and predictable runs on the serving thread, any other in its own", async () => {
    const iris = await load(IRIS);
    // On a busy machine it may take more than the first few runs to find out.
    for (let runs = 0; runs < 500 && iris.execution().placement === "Worker"; runs++) await run(iris, flowers(1));
    expect(iris.execution().placement).toBe("ServingThread");
    const [large, loop, memory] = [heavyModel(1_200_000), loopModel(), memoryModel()];
    for (const bytes of [large, loop, memory])
      expect((await load(await fileOf(bytes))).execution().placement).toBe("Worker");
  });

  test("runs where the configuration says", async () => {
    expect((await load(IRIS, "Worker")).execution().placement).toBe("Worker");
    const loop = await load(await fileOf(loopModel()), "ServingThread");
    expect(loop.execution().placement).toBe("ServingThread");
    expect(await run(loop, trips(3n))).toMatchObject([{ data: Float32Array.of(3) }]);
  });

  test("is not told to have run while it was measured", async () => {
    const runs: RunObservation[] = [];
    const observer = {
      ran: (each: RunObservation) => runs.push(each),
      crashed: () => undefined,
      stuck: () => undefined,
    };
    const model = await load(IRIS, "Auto", observer);
    expect(runs).toEqual([]);
    await run(model, flowers(1));
    expect(runs).toEqual([{ rows: 1, computeMs: expect.any(Number) }]);
  });

  test("moves in traffic, if synthetic requests do not tell how quick it is", async () => {
    // A single element, as in a synthetic request, makes no row of three.
    const rowsOfThree = onnxModel({
      inputs: [{ name: "input", type: "FLOAT", dims: ["n"] }],
      outputs: [{ name: "output", type: "FLOAT", dims: ["rows", 3] }],
      nodes: [{ op: "Reshape", inputs: ["input", "shape"], outputs: ["output"] }],
      initializers: { shape: { type: "INT64", dims: [2], data: int64s([-1n, 3n]) } },
    });
    const model = await load(await fileOf(rowsOfThree));
    expect(model.execution().placement).toBe("Worker");
    const input: Tensor = { name: "input", datatype: "FP32", shape: [3], data: Float32Array.of(1, 2, 3) };
    const again = (): Promise<readonly Tensor[]> => run(model, { ...input, data: input.data.slice() });
    for (let runs = 0; runs < 500 && model.execution().placement === "Worker"; runs++) await again();
    expect(model.execution().placement).toBe("ServingThread");
    expect(await again()).toEqual([{ ...input, name: "output", shape: [1, 3] }]);
  });

  test("answers alike wherever it runs", async () => {
    const [here, there] = [await load(IRIS, "ServingThread"), await load(IRIS, "Worker")];
    for (const rows of [1, 2, 3, 17, 64, 1, 64]) {
      const answers = await Promise.all([run(here, flowers(rows)), run(there, flowers(rows))]);
      expect(answers[0]).toEqual(answers[1]);
      expect(answers[0]).toMatchObject([{ shape: [rows] }, { shape: [rows, 3] }]);
    }
  });

  test("says what is wrong with a request wherever it runs, and answers the next one", async () => {
    for (const placement of ["ServingThread", "Worker"] as const) {
      const model = await load(IRIS, placement);
      for (let runs = 0; runs < 3; runs++) {
        await run(model, flowers(1));
        const five: Tensor = { name: "input", datatype: "FP32", shape: [1, 5], data: new Float32Array(5) };
        await expect(run(model, five)).rejects.toMatchObject({ message: /dimension 1 is 5, expected 4/ });
        await expect(run(model)).rejects.toMatchObject({ message: 'input "input" is missing' });
      }
    }
  });

  test("that is unloaded finishes what runs, on every thread", async () => {
    const model = await load(IRIS, "ServingThread");
    await untilQuick(() => run(model, flowers(1)));
    const answers = [run(model, flowers(1)), run(model, flowers(1)), run(model, flowers(500))];
    const disposed = model[Symbol.asyncDispose]();
    await expect(run(model, flowers(1))).rejects.toMatchObject({ code: "Unavailable" });
    for (const answer of answers) expect(await answer).toHaveLength(2);
    await disposed;
  });

  test("leaves other models and the serving thread alone, even if its runs on that thread are long", async () => {
    const [loop, iris] = [await load(await fileOf(loopModel()), "ServingThread"), await load(IRIS)];
    // Longer than a run on the serving thread may be, and the engine finds out by the first.
    const long = [1, 2, 3].map(() => run(loop, trips(100_000n)));
    const state = { isOver: false };
    const end = Promise.all(long).then(() => (state.isOver = true));
    let answered = 0;
    for (; !state.isOver; answered++) await run(iris, flowers(1));
    await end;
    // Held up, it would answer one for each of them, and perhaps one more on either side.
    expect(answered).toBeGreaterThan(3 * long.length);
  });
});

test.each([
  ["named", '{ name: "loop", version: 7 }', 'a run of model "loop"', { model: "loop", version: 7 }],
  ["without a name", "undefined", "a run", {}],
])("a run on the serving thread that does not end ends the process, which leaves the reason: %s", async (...row) => {
  const [, id, subject, fields] = row;
  const [model, lastWords] = [await fileOf(loopModel()), path.join(folder, "last-words")];
  await writeFile(lastWords, "");
  const program = `
    import { createOnnxEngine } from ${JSON.stringify(ENGINE)};
    const engine = createOnnxEngine({ stuckAfterMs: 300, lastWordsFile: ${JSON.stringify(lastWords)} });
    const signal = new AbortController().signal;
    const model = await engine.load(${JSON.stringify(model)}, signal, { id: ${id}, concurrency: { placement: "ServingThread" } });
    const run = async (count) => {
      const trips = { name: "trips", datatype: "INT64", shape: [1], data: BigInt64Array.of(count) };
      await model.infer({ inputs: [trips], outputs: ["count"] }, signal);
    };
    await (${untilQuick.toString()})(() => run(1n));
    await run(2n ** 62n);
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  // A run that is made elsewhere after all nobody ends.
  onTestFinished(() => void child.kill("SIGKILL"));
  let log = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (log += text));
  expect(await once(child, "close")).toEqual([null, "SIGKILL"]);
  expect(JSON.parse(await readFile(lastWords, "utf8"))).toEqual({
    reason: "InternalError",
    message: `${subject} on the thread that serves requests has not ended after 0.3 s; the replica ends, to start anew`,
  });
  expect(JSON.parse(log)).toMatchObject({ level: "fatal", msg: "a run does not end", runningMs: 300, ...fields });
});
