import { execFileSync } from "node:child_process";
import { constants, readdirSync, readFileSync } from "node:fs";
import { link, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { getPriority, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import type { Placement } from "../../../../common/runtime-config.ts";
import type { InferenceEngine, LoadedModel, ModelObserver } from "../../../../runtime/core/servable.ts";
import type { Datatype, Tensor, TensorData } from "../../../../runtime/core/tensor.ts";
import { eventually } from "../../../eventually.ts";
import { createOnnxEngine } from "../../../../runtime/engine/onnx-engine.ts";
import {
  customOperatorModel,
  floats,
  heavyModel,
  identityModel,
  int64s,
  loopModel,
  memoryModel,
  onnxModel,
  sequenceModel,
  type ElementType,
  type OnnxGraph,
} from "../../../fixtures/onnx-builder.ts";

const EXAMPLES = new URL("../../../../examples/models/", import.meta.url);
const patience = new AbortController().signal;

let folder = "";
let engine: InferenceEngine;
let files = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lockstep-engine-"));
  engine = createOnnxEngine({ intraOpThreads: 1 });
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function fileOf(bytes: Uint8Array): Promise<string> {
  const file = join(folder, String(files++), "model.onnx");
  await mkdir(join(file, ".."));
  await writeFile(file, bytes);
  return file;
}

async function load(bytes: Uint8Array, watcher?: ModelObserver, placement?: Placement): Promise<LoadedModel> {
  const model = await engine.load(await fileOf(bytes), patience, {
    ...(watcher !== undefined && { observer: watcher }),
    ...(placement !== undefined && { concurrency: { placement } }),
  });
  onTestFinished(() => model[Symbol.asyncDispose]());
  return model;
}

async function run(model: LoadedModel, ...inputs: Tensor[]): Promise<readonly Tensor[]> {
  const outputs = model.signature.outputs.map(({ name }) => name);
  return (await model.infer({ inputs, outputs }, patience)).outputs;
}

/** Of this process. */
function nicenessOfThreads(): number[] {
  return readdirSync("/proc/self/task").map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
    // Behind the name, which may hold anything: the state is the third field, the niceness the 19th.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  });
}

function trips(count: bigint): Tensor {
  return { name: "trips", datatype: "INT64", shape: [1], data: BigInt64Array.of(count) };
}

interface Sample {
  readonly request: { readonly inputs: readonly SampleTensor[] };
  readonly outputs: readonly SampleTensor[];
}
interface SampleTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly datatype: "FP32" | "INT64" | "BYTES";
  readonly data: readonly (number | string)[];
}

function tensorOf({ name, shape, datatype, data }: SampleTensor): Tensor {
  if (datatype === "FP32") return { name, shape, datatype, data: Float32Array.from(data as number[]) };
  if (datatype === "INT64") return { name, shape, datatype, data: BigInt64Array.from((data as number[]).map(BigInt)) };
  return { name, shape, datatype, data: [...(data as string[])] };
}

describe("real models answer as Python's onnxruntime does", () => {
  const versions = ["digits/1", "digits/2", "iris/1", "diabetes/1", "topic/1", "version-echo/1", "version-echo/2"];
  test.each(versions)("%s", async (path) => {
    const [name, version = ""] = path.split("/");
    const samples = JSON.parse(await readFile(new URL(`${name}/samples.json`, EXAMPLES), "utf8")) as Record<
      string,
      Sample
    >;
    const sample = samples[version];
    if (sample === undefined) throw new Error("no sample");
    const model = await engine.load(new URL(`${path}/model.onnx`, EXAMPLES).pathname, patience);
    onTestFinished(() => model[Symbol.asyncDispose]());

    const outputs = await run(model, ...sample.request.inputs.map(tensorOf));

    expect(outputs.map((tensor) => ({ ...tensor, data: undefined }))).toEqual(
      sample.outputs.map((tensor) => ({ ...tensor, data: undefined })),
    );
    for (const [index, expected] of sample.outputs.entries()) {
      const data = [...(outputs[index]?.data ?? [])];
      expect(data).toHaveLength(expected.data.length);
      expect(greatestError(data, expected.data)).toBeLessThan(1e-4);
    }
  });
});

/** Relative to the expected value; 1 for a text that differs. */
function greatestError(got: readonly unknown[], expected: readonly unknown[]): number {
  const errors = expected.map((value, index) =>
    typeof value === "string"
      ? Number(value !== got[index])
      : Math.abs(Number(got[index]) - Number(value)) / Math.max(1e-6, Math.abs(Number(value))),
  );
  return Math.max(...errors);
}

describe("every datatype comes back as it went in", () => {
  const cases: readonly [Datatype, ElementType, TensorData][] = [
    ["BOOL", "BOOL", Uint8Array.of(0, 1, 1)],
    ["UINT8", "UINT8", Uint8Array.of(0, 1, 255)],
    ["UINT16", "UINT16", Uint16Array.of(0, 1, 65_535)],
    ["UINT32", "UINT32", Uint32Array.of(0, 1, 4_294_967_295)],
    ["UINT64", "UINT64", BigUint64Array.of(0n, 9_007_199_254_740_993n, 2n ** 64n - 1n)],
    ["INT8", "INT8", Int8Array.of(-128, 0, 127)],
    ["INT16", "INT16", Int16Array.of(-32_768, 0, 32_767)],
    ["INT32", "INT32", Int32Array.of(-(2 ** 31), 0, 2 ** 31 - 1)],
    ["INT64", "INT64", BigInt64Array.of(-(2n ** 63n), 9_007_199_254_740_993n, 2n ** 63n - 1n)],
    ["FP16", "FLOAT16", Uint16Array.of(0x3c00, 0xfc00, 0x7e01)],
    ["FP32", "FLOAT", Float32Array.of(-0, Number.NaN, Number.POSITIVE_INFINITY)],
    ["FP64", "DOUBLE", Float64Array.of(Math.PI, -0, Number.MIN_VALUE)],
    ["BYTES", "STRING", ["", "é😀", "a\nb"]],
  ];
  test.each(cases)("%s", async (datatype, elementType, data) => {
    const model = await load(identityModel(elementType));
    expect(model.signature).toEqual({
      inputs: [{ name: "input", datatype, shape: [-1] }],
      outputs: [{ name: "output", datatype, shape: [-1] }],
    });
    const [output] = await run(model, { name: "input", datatype, shape: [3], data: data.slice() } as Tensor);
    expect(output).toEqual({ name: "output", datatype, shape: [3], data });
    const none = { name: "input", datatype, shape: [0], data: data.slice(0, 0) } as Tensor;
    expect(await run(model, none)).toEqual([{ name: "output", datatype, shape: [0], data: data.slice(0, 0) }]);
  });

  test("FP16 is computed with, not only copied", async () => {
    const model = await load(
      onnxModel({
        inputs: [{ name: "input", type: "FLOAT16", dims: ["n"] }],
        outputs: [{ name: "output", type: "FLOAT", dims: ["n"] }],
        nodes: [{ op: "Cast", inputs: ["input"], outputs: ["output"], attributes: { to: { kind: "int", value: 1 } } }],
      }),
    );
    const [output] = await run(model, {
      name: "input",
      datatype: "FP16",
      shape: [2],
      data: Uint16Array.of(0x3c00, 0xc500),
    });
    expect(output?.data).toEqual(Float32Array.of(1, -5));
  });

  test("a scalar", async () => {
    const model = await load(identityModel("DOUBLE", []));
    const scalar: Tensor = { name: "input", datatype: "FP64", shape: [], data: Float64Array.of(7) };
    expect(await run(model, scalar)).toEqual([
      { name: "output", datatype: "FP64", shape: [], data: Float64Array.of(7) },
    ]);
  });

  test("a text with NUL, which the library would cut off, is refused", async () => {
    const model = await load(identityModel("STRING"));
    await expect(run(model, { name: "input", datatype: "BYTES", shape: [1], data: ["a\0b"] })).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringMatching(/"input".*NUL/),
    });
  });
});

describe("buffers", () => {
  test("are moved into the model's thread and out of it, not copied", async () => {
    const model = await load(identityModel("FLOAT"), undefined, "Worker");
    const data = Float32Array.of(1, 2, 3);
    const [output] = await run(model, { name: "input", datatype: "FP32", shape: [3], data });
    expect(data.buffer.detached).toBe(true);
    expect(output?.data).toEqual(Float32Array.of(1, 2, 3));
  });

  test.each(["Worker", "ServingThread"] as const)("that others use as well are left alone: %s", async (placement) => {
    const pooled = Buffer.from("abcd");
    const body = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
    const model = await load(identityModel("UINT8"), undefined, placement);
    for (const view of [pooled, body.subarray(2, 6), body.subarray(0, 4)]) {
      const before = [...view];
      // The serving thread takes runs of a size that it has seen.
      for (let runs = 0; runs < 3; runs++) {
        const data = new Uint8Array(view.buffer, view.byteOffset, 4);
        const [output] = await run(model, { name: "input", datatype: "UINT8", shape: [4], data });
        expect([...(output?.data ?? [])]).toEqual(before);
      }
      expect([...view]).toEqual(before);
    }
  });

  test("may be shared by the inputs of one request", async () => {
    const model = await load(
      onnxModel({
        inputs: [
          { name: "a", type: "FLOAT", dims: ["n"] },
          { name: "b", type: "FLOAT", dims: ["n"] },
        ],
        outputs: [{ name: "sum", type: "FLOAT", dims: ["n"] }],
        nodes: [{ op: "Add", inputs: ["a", "b"], outputs: ["sum"] }],
      }),
    );
    const body = Float32Array.of(1, 2, 30, 40);
    const [sum] = await run(
      model,
      { name: "a", datatype: "FP32", shape: [2], data: body.subarray(0, 2) },
      { name: "b", datatype: "FP32", shape: [2], data: body.subarray(2) },
    );
    expect(sum?.data).toEqual(Float32Array.of(31, 42));
  });
});

describe("a file that cannot be served says why", () => {
  const io: OnnxGraph = {
    inputs: [{ name: "input", type: "FLOAT", dims: ["n"] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["n"] }],
    nodes: [{ op: "Identity", inputs: ["input"], outputs: ["output"] }],
  };
  const addWeights = (external: Record<string, string>): Uint8Array =>
    onnxModel({
      ...io,
      nodes: [{ op: "Add", inputs: ["input", "w"], outputs: ["output"] }],
      initializers: { w: { type: "FLOAT", dims: [1], external } },
    });
  const cases: readonly [string, Uint8Array, string, RegExp][] = [
    ["an empty file", new Uint8Array(0), "InvalidModel", /empty, or holds no graph/],
    ["garbage", Buffer.from("<html>not found</html>".repeat(40)), "InvalidModel", /not a model in ONNX format/],
    ["a truncated file", heavyModel(1000).subarray(0, 3000), "InvalidModel", /cut off/],
    ["a future opset", onnxModel(io, { opset: 99 }), "UnsupportedOpset", /opset 99 of ai\.onnx.*up to 2\d.*or older/],
    [
      "a future opset of another domain",
      onnxModel(io, { domains: { "ai.onnx.ml": 99 } }),
      "UnsupportedOpset",
      /opset 99 of ai\.onnx\.ml/,
    ],
    ["a future IR version", onnxModel(io, { irVersion: 99 }), "UnsupportedOpset", /IR version 99.*up to 1\d/],
    ["a custom operator", customOperatorModel(), "UnsupportedOpset", /no operator Frobnicate of domain com\.example/],
    [
      "an operator that the opset does not have",
      onnxModel({ ...io, nodes: [{ op: "Gelu", inputs: ["input"], outputs: ["output"] }] }),
      "UnsupportedOpset",
      /Gelu does not exist in opset 17/,
    ],
    [
      "an operator that is not implemented for a type",
      onnxModel({
        inputs: [{ name: "input", type: "DOUBLE", dims: ["n"] }],
        outputs: [{ name: "output", type: "DOUBLE", dims: ["n"] }],
        nodes: [{ op: "Selu", inputs: ["input"], outputs: ["output"] }],
      }),
      "UnsupportedOpset",
      /does not implement operator Selu/,
    ],
    ["a sequence as output", sequenceModel(), "InvalidModel", /output "output" is a sequence.*zipmap/],
    ["elements that no request can carry", identityModel("BFLOAT16"), "InvalidModel", /bfloat16/],
    ["elements that the engine lacks", identityModel("COMPLEX64"), "InvalidModel", /complex64/],
    [
      "an unknown input",
      onnxModel({ ...io, nodes: [{ op: "Add", inputs: ["input", "nope"], outputs: ["output"] }] }),
      "InvalidModel",
      /'nope' is not a graph input/,
    ],
    [
      "an output that nothing makes",
      onnxModel({ ...io, nodes: [] }),
      "InvalidModel",
      /Graph output \(output\) does not exist/,
    ],
    [
      "missing external data",
      addWeights({ location: "w.bin" }),
      "InvalidModel",
      /weights w are in a file that is missing/,
    ],
    ["external data outside of the folder", addWeights({ location: "../w.bin" }), "UnsafeModelFile", /outside/],
    ["external data at an absolute path", addWeights({ location: "/etc/passwd" }), "UnsafeModelFile", /outside/],
    [
      "weights shorter than their shape",
      onnxModel({
        ...io,
        nodes: [{ op: "Add", inputs: ["input", "w"], outputs: ["output"] }],
        initializers: { w: { type: "FLOAT", dims: [4], data: floats([1]) } },
      }),
      "InvalidModel",
      /'w': raw_data size/,
    ],
    [
      "weights with a negative dimension",
      onnxModel({
        ...io,
        nodes: [{ op: "Add", inputs: ["input", "w"], outputs: ["output"] }],
        initializers: { w: { type: "FLOAT", dims: [-4], data: floats([1]) } },
      }),
      "InvalidModel",
      /Out of bounds dimensions/,
    ],
  ];
  test.each(cases)("%s", async (_, bytes, reason, message) => {
    const error: unknown = await load(bytes).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ name: "ReplicaFailureError", reason, message: expect.stringMatching(message) });
    const { message: text } = error as Error;
    expect(text).not.toContain(folder);
    expect(text).not.toMatch(/onnxruntime_src|\.cc:\d|\n/);
  });

  test("a file that is not there", async () => {
    await expect(engine.load(join(folder, "nothing.onnx"), patience)).rejects.toMatchObject({
      reason: "StorageNotFound",
      message: expect.not.stringContaining(folder),
    });
  });
});

describe("a request that the model cannot answer", () => {
  test("is told about wrong dimensions", async () => {
    const model = await load(identityModel("FLOAT", ["n", 4]));
    await expect(
      run(model, { name: "input", datatype: "FP32", shape: [1, 5], data: new Float32Array(5) }),
    ).rejects.toMatchObject({ code: "InvalidArgument", message: 'input "input": dimension 1 is 5, expected 4' });
    await expect(
      run(model, { name: "input", datatype: "FP32", shape: [4], data: new Float32Array(4) }),
    ).rejects.toMatchObject({ code: "InvalidArgument", message: 'input "input": has 1 dimensions, expected 2' });
    await expect(
      run(model, { name: "input", datatype: "FP64", shape: [1, 4], data: new Float64Array(4) }),
    ).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("double, expected float") });
    await expect(run(model)).rejects.toMatchObject({ code: "InvalidArgument", message: 'input "input" is missing' });
  });

  test("is told when its inputs do not fit together, without their elements", async () => {
    const model = await load(heavyModel(10));
    const index: Tensor = { name: "index", datatype: "INT64", shape: [1], data: BigInt64Array.of(123_456n) };
    await expect(run(model, index)).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringMatching(/^(?=.*operator Gather)(?!.*123456)/),
    });
    const reshape = await load(
      onnxModel({
        inputs: [{ name: "input", type: "FLOAT", dims: ["n"] }],
        outputs: [{ name: "output", type: "FLOAT", dims: ["rows", 3] }],
        nodes: [{ op: "Reshape", inputs: ["input", "shape"], outputs: ["output"] }],
        initializers: { shape: { type: "INT64", dims: [2], data: int64s([-1n, 3n]) } },
      }),
    );
    await expect(
      run(reshape, { name: "input", datatype: "FP32", shape: [4], data: new Float32Array(4) }),
    ).rejects.toMatchObject({ code: "InvalidArgument", message: expect.stringContaining("operator Reshape") });
  });

  test("that wants more memory than there can be fails alone", async () => {
    const model = await load(memoryModel());
    // 2^46 floats are more than any address space holds, so that nothing is given even where memory is overcommitted.
    const huge: Tensor = { name: "shape", datatype: "INT64", shape: [1], data: BigInt64Array.of(2n ** 46n) };
    await expect(run(model, huge)).rejects.toMatchObject({
      code: "Internal",
      message: expect.stringContaining("memory"),
    });
    const small: Tensor = { name: "shape", datatype: "INT64", shape: [1], data: BigInt64Array.of(2n) };
    expect(await run(model, small)).toMatchObject([{ data: Float32Array.of(0, 0) }]);
  });
});

describe("threads", () => {
  test("the calling thread goes on while a model runs, and another model answers", async () => {
    const slow = await load(loopModel());
    const quick = await load(identityModel("FLOAT"));
    const state = { isSlowDone: false };
    const long = run(slow, trips(100_000n)).then((outputs) => {
      state.isSlowDone = true;
      return outputs;
    });
    let turns = 0;
    while (!state.isSlowDone) {
      await new Promise((resolve) => setImmediate(resolve));
      await run(quick, { name: "input", datatype: "FP32", shape: [1], data: Float32Array.of(1) });
      turns++;
    }
    // Held up, it would come to the first of them when the run has ended.
    expect(turns).toBeGreaterThan(3);
    expect(await long).toMatchObject([{ data: Float32Array.of(100_000) }]);
  });

  test.runIf(process.platform === "linux")("of models yield to the one that serves requests", async () => {
    const own = createOnnxEngine({ intraOpThreads: 3 });
    onTestFinished(() => own[Symbol.asyncDispose]());
    const yielding = (): number => nicenessOfThreads().filter((niceness) => niceness === getPriority() + 10).length;
    const before = yielding();
    await using _model = await own.load(await fileOf(heavyModel(1)), patience);
    // The model's own, and the two that help it.
    expect(yielding() - before).toBeGreaterThanOrEqual(3);
  });

  test("requests to one model are answered in order", async () => {
    const model = await load(loopModel());
    const order: number[] = [];
    const counts = [20_000n, 1n, 10_000n, 0n, 5n];
    await Promise.all(counts.map((count, index) => run(model, trips(count)).then(() => order.push(index))));
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  test("the runs of one model go on at the same time in its instances, which share the threads", async () => {
    const own = createOnnxEngine({ intraOpThreads: 4 });
    onTestFinished(() => own[Symbol.asyncDispose]());
    const file = await fileOf(loopModel());
    const model = await own.load(file, patience, { concurrency: { instances: 2 } });
    expect(model.execution()).toEqual({
      placement: "Worker",
      instances: 2,
      intraOpThreads: 2,
      batching: undefined,
    });
    const order: string[] = [];
    const long = run(model, trips(400_000n)).then(() => order.push("long"));
    await run(model, trips(1n)).then(() => order.push("short"));
    await long;
    expect(order).toEqual(["short", "long"]);
    const one = await own.load(file, patience, { concurrency: { instances: 1, intraOpThreads: 3 } });
    expect(one.execution()).toMatchObject({ instances: 1, intraOpThreads: 3 });
    const many = await own.load(file, patience, { concurrency: { instances: 5 } });
    expect(many.execution()).toMatchObject({ instances: 5, intraOpThreads: 1 });
  });

  test("models with several threads answer alike", async () => {
    const parallel = createOnnxEngine({ intraOpThreads: 2 });
    onTestFinished(() => parallel[Symbol.asyncDispose]());
    const model = await parallel.load(await fileOf(heavyModel(100)), patience);
    const index: Tensor = { name: "index", datatype: "INT64", shape: [2], data: BigInt64Array.of(0n, 99n) };
    expect(await run(model, index)).toMatchObject([{ data: Float32Array.of(0, 99) }]);
  });
});

describe("abort", () => {
  test("rejects at once, whether the request waits or runs; what comes after is answered", async () => {
    const runs: number[] = [];
    const model = await load(loopModel(), observer({ ran: ({ computeMs }) => runs.push(computeMs) }));
    const client = new AbortController();
    const reason = new Error("client went away");
    const running = model.infer({ inputs: [trips(300_000n)], outputs: ["count"] }, client.signal);
    const next = model.infer({ inputs: [trips(1n)], outputs: ["count"] }, client.signal);
    const waiting = model.infer({ inputs: [trips(1n)], outputs: ["count"] }, client.signal);
    const after = run(model, trips(3n));
    client.abort(reason);
    await expect(running).rejects.toBe(reason);
    await expect(next).rejects.toBe(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(runs).toEqual([]);
    expect(await after).toMatchObject([{ data: Float32Array.of(3) }]);
    // The one that waited never ran.
    expect(runs).toHaveLength(3);
    await expect(model.infer({ inputs: [trips(1n)], outputs: ["count"] }, client.signal)).rejects.toBe(reason);
  });

  test("of a load rejects at once; the model is dropped when it arrives", async () => {
    const own = createOnnxEngine();
    const file = await fileOf(heavyModel(1_000_000));
    const abort = new AbortController();
    const loading = own.load(file, abort.signal);
    abort.abort(new Error("not wanted any more"));
    await expect(loading).rejects.toThrow("not wanted any more");
    await expect(own.load(file, abort.signal)).rejects.toThrow("not wanted any more");
    // Resolves only when the thread of the dropped model has ended.
    await own[Symbol.asyncDispose]();
  });
});

describe("the end of a model", () => {
  test("comes after what runs; what waits and what comes is refused", async () => {
    const model = await load(loopModel());
    const running = run(model, trips(100_000n));
    const next = run(model, trips(1n));
    const waiting = run(model, trips(1n));
    const [refused, disposed] = [waiting.catch((error: unknown) => error), model[Symbol.asyncDispose]()];
    expect(await refused).toMatchObject({ code: "Unavailable" });
    expect(await running).toMatchObject([{ data: Float32Array.of(100_000) }]);
    expect(await next).toHaveLength(1);
    await disposed;
    await expect(run(model, trips(1n))).rejects.toMatchObject({ code: "Unavailable" });
    await model[Symbol.asyncDispose]();
  });

  test("a load that does not end is given up, and not tried again while it goes on", async () => {
    const own = createOnnxEngine({ loadTimeoutMs: 2_000 });
    const file = join(dirname(await fileOf(loopModel())), "pipe.onnx");
    // Whoever opens it waits until somebody writes.
    execFileSync("mkfifo", [file]);
    await expect(own.load(file, patience)).rejects.toMatchObject({
      reason: "LoadTimeout",
      message: "the model was not loaded within 2 s",
    });
    const again = await own.load(file, patience).catch((error: unknown) => error);
    expect(again).toMatchObject({ reason: "LoadTimeout", message: expect.stringContaining("has not ended") });
    // The engine ends without it.
    await own[Symbol.asyncDispose]();
    await link(file, `${file}.pipe`);
    await rm(file);
    await writeFile(file, "no model");
    await eventually(
      "another try",
      async () => {
        await letEnd(`${file}.pipe`);
        const failure = await own.load(file, patience).catch((error: unknown) => error);
        expect(failure).toMatchObject({ reason: "InvalidModel" });
        return true;
      },
      { withinMs: 45_000, everyMs: 10 },
    );
    await own[Symbol.asyncDispose]();
  });

  test("a run that does not end is reported", async () => {
    const own = createOnnxEngine({ stuckAfterMs: 100 });
    const stuck = Promise.withResolvers<number>();
    const model = await own.load(await fileOf(loopModel()), patience, {
      observer: observer({ stuck: stuck.resolve }),
    });
    // It does end, so that the test can clean up after it.
    const long = run(model, trips(400_000n));
    expect(await stuck.promise).toBe(100);
    await long;
    await own[Symbol.asyncDispose]();
  });
});

/** Lets whoever reads a pipe find its end. */
async function letEnd(pipe: string): Promise<void> {
  const writer = await open(pipe, constants.O_WRONLY | constants.O_NONBLOCK).catch(() => undefined);
  await writer?.close();
}

function observer(parts: Partial<ModelObserver>): ModelObserver {
  return { ran: () => undefined, crashed: () => undefined, stuck: () => undefined, ...parts };
}
