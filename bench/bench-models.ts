import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { floats, onnxModel, type OnnxGraph, type OnnxNode, type OnnxTensor } from "../test/fixtures/onnx-builder.ts";
import { seededRandom } from "../test/fixtures/random-numbers.ts";

/** A tensor of a request, with its values. */
export interface BenchTensor {
  readonly name: string;
  readonly datatype: "FP32" | "INT64";
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** A model of the benchmark: its file is NAME/1/model.onnx, and `inputs` are one row for it. */
export interface BenchModel {
  readonly name: BenchModelName;
  readonly file: string;
  readonly inputs: readonly BenchTensor[];
}

export const BENCH_MODELS = ["iris", "mlp", "cnn", "silero-vad"] as const;
export type BenchModelName = (typeof BENCH_MODELS)[number];

const ROOT = path.join(import.meta.dirname, "..");
/** As the end-to-end tests have it: larger models beside the project, if they are there. */
const COLLECTION = process.env["LOCKSTEP_E2E_MODELS"] ?? path.join(ROOT, "../shared/models");
const MADE = path.join(ROOT, "dist/bench/models");

/** A model, made if it is one that can be; undefined if it is not on this machine. */
export function benchModel(name: BenchModelName): BenchModel | undefined {
  const random = seededRandom(1);
  switch (name) {
    case "iris":
      return {
        name,
        file: path.join(ROOT, "examples/models/iris/1/model.onnx"),
        inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], data: Float32Array.of(5.1, 3.5, 1.4, 0.2) }],
      };
    case "mlp":
      return { name, file: made(name, mlpGraph), inputs: [fp32("input", [1, 784], random)] };
    case "cnn":
      return { name, file: made(name, cnnGraph), inputs: [fp32("input", [1, 3, 48, 192], random)] };
    case "silero-vad": {
      const file = path.join(COLLECTION, name, "1/model.onnx");
      if (!existsSync(file)) return undefined;
      const state: BenchTensor = { name: "state", datatype: "FP32", shape: [2, 1, 128], data: new Float32Array(256) };
      const rate: BenchTensor = { name: "sr", datatype: "INT64", shape: [], data: BigInt64Array.of(16_000n) };
      return { name, file, inputs: [fp32("input", [1, 576], random), state, rate] };
    }
    default:
      return name satisfies never;
  }
}

/** 784-512-512-10, as for handwritten digits; weights are random, always the same. */
export function mlpGraph(): OnnxGraph {
  const random = seededRandom(2);
  const widths = [784, 512, 512, 10];
  const nodes: OnnxNode[] = [];
  const initializers: Record<string, OnnxTensor> = {};
  let last = "input";
  for (let layer = 0; layer < 3; layer++) {
    const [rows = 0, columns = 0] = widths.slice(layer);
    initializers[`w${layer}`] = weights([rows, columns], rows, random);
    initializers[`b${layer}`] = { type: "FLOAT", dims: [columns], data: floats(new Float32Array(columns)) };
    const isLast = layer === 2;
    nodes.push({ op: "Gemm", inputs: [last, `w${layer}`, `b${layer}`], outputs: [`z${layer}`] });
    last = isLast ? "output" : `a${layer}`;
    nodes.push({ op: isLast ? "Softmax" : "Relu", inputs: [`z${layer}`], outputs: [last] });
  }
  return {
    inputs: [{ name: "input", type: "FLOAT", dims: ["batch", 784] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["batch", 10] }],
    nodes,
    initializers,
  };
}

/** Four convolutions over an image of 48 by 192, as for a line of text: some 1.5 ms a row, hardly less in batches. */
export function cnnGraph(): OnnxGraph {
  const random = seededRandom(3);
  const channels = [3, 32, 80, 128, 160];
  const nodes: OnnxNode[] = [];
  const initializers: Record<string, OnnxTensor> = {};
  let last = "input";
  for (let layer = 0; layer < 4; layer++) {
    const [from = 0, to = 0] = channels.slice(layer);
    initializers[`w${layer}`] = weights([to, from, 3, 3], from * 9, random);
    nodes.push(
      {
        op: "Conv",
        inputs: [last, `w${layer}`],
        outputs: [`z${layer}`],
        attributes: {
          kernel_shape: { kind: "ints", value: [3, 3] },
          pads: { kind: "ints", value: [1, 1, 1, 1] },
          // The height and width are halved, but by the first.
          strides: { kind: "ints", value: layer === 0 ? [1, 1] : [2, 2] },
        },
      },
      { op: "Relu", inputs: [`z${layer}`], outputs: [`a${layer}`] },
    );
    last = `a${layer}`;
  }
  initializers["w4"] = weights([160, 10], 160, random);
  initializers["b4"] = { type: "FLOAT", dims: [10], data: floats(new Float32Array(10)) };
  nodes.push(
    { op: "GlobalAveragePool", inputs: [last], outputs: ["pooled"] },
    { op: "Flatten", inputs: ["pooled"], outputs: ["flat"] },
    { op: "Gemm", inputs: ["flat", "w4", "b4"], outputs: ["z4"] },
    { op: "Softmax", inputs: ["z4"], outputs: ["output"] },
  );
  return {
    inputs: [{ name: "input", type: "FLOAT", dims: ["batch", 3, 48, 192] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["batch", 10] }],
    nodes,
    initializers,
  };
}

/** Writes a model unless the same is there already. */
function made(name: string, graph: () => OnnxGraph): string {
  const file = path.join(MADE, name, "1/model.onnx");
  const model = onnxModel(graph());
  if (!existsSync(file) || !readFileSync(file).equals(model)) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, model);
  }
  return file;
}

function weights(dims: readonly number[], fanIn: number, random: () => number): OnnxTensor {
  const scale = Math.sqrt(6 / fanIn);
  const size = dims.reduce((product, dim) => product * dim, 1);
  return { type: "FLOAT", dims, data: floats(Float32Array.from({ length: size }, () => (random() * 2 - 1) * scale)) };
}

function fp32(name: string, shape: readonly number[], random: () => number): BenchTensor {
  const size = shape.reduce((product, dim) => product * dim, 1);
  return { name, datatype: "FP32", shape, data: Float32Array.from({ length: size }, random) };
}
