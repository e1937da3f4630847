import type { BenchModelName } from "./bench-models.ts";
import type { Encoding } from "./wire/encoding.ts";

/** A closed loop of always the same request. */
export interface LoadCase {
  readonly name: string;
  readonly title: string;
  readonly model: BenchModelName;
  readonly encoding: Encoding;
  readonly connections: number;
  /** Requests at a time on a connection. */
  readonly streams: number;
  /** Left out unless all is asked for. */
  readonly isOnlyInFull?: boolean;
}

/** In the order of models, as each server is started once for a model. */
export const LOAD_CASES = [
  {
    name: "iris-json",
    title: "iris (4 numbers), JSON, 64 connections",
    model: "iris",
    encoding: "json",
    connections: 64,
    streams: 1,
  },
  {
    name: "iris-grpc",
    title: "iris, gRPC, 64 calls at a time on 4 connections",
    model: "iris",
    encoding: "grpc",
    connections: 4,
    streams: 16,
  },
  {
    name: "mlp-json",
    title: "mlp (784 numbers), JSON, 64 connections",
    model: "mlp",
    encoding: "json",
    connections: 64,
    streams: 1,
  },
  {
    name: "mlp-binary",
    title: "mlp, binary tensors, 64 connections",
    model: "mlp",
    encoding: "binary",
    connections: 64,
    streams: 1,
  },
  {
    name: "mlp-grpc",
    title: "mlp, gRPC, 64 calls at a time on 4 connections",
    model: "mlp",
    encoding: "grpc",
    connections: 4,
    streams: 16,
  },
  {
    name: "cnn-binary",
    title: "CNN (image of 3x48x192), binary tensors, 8 connections",
    model: "cnn",
    encoding: "binary",
    connections: 8,
    streams: 1,
  },
  {
    name: "silero-binary",
    title: "silero-vad (576 samples and state), binary tensors, 8 connections",
    model: "silero-vad",
    encoding: "binary",
    connections: 8,
    streams: 1,
    isOnlyInFull: true,
  },
] as const satisfies readonly LoadCase[];

export type LoadCaseName = (typeof LOAD_CASES)[number]["name"];

/** What else is measured, and its name on the command line. */
export const OTHER_CASES = {
  start: "start of the process to its first answer, and its memory, with mlp",
  latency: "Lockstep and node-http at half of what they can, open loop, for iris-json, mlp-binary and cnn-binary",
  overload: "Lockstep at three and five times its capacity, open loop, with the CNN",
  decode: "JSON of 4, 784 and 27,648 numbers to a tensor, beside JSON.parse and a copy",
} as const;
export type OtherCaseName = keyof typeof OTHER_CASES;
export type CaseName = LoadCaseName | OtherCaseName;

/** The cases of the latency at half of capacity. */
export const LATENCY_CASES = ["iris-json", "mlp-binary", "cnn-binary"] as const satisfies readonly LoadCaseName[];

/** Rows of a run of onnxruntime alone, by model; silero-vad has no batch dimension first. */
export const LIMIT_BATCHES: Readonly<Record<BenchModelName, readonly number[]>> = {
  iris: [1, 64],
  mlp: [1, 8, 64],
  cnn: [1, 8],
  "silero-vad": [1],
};

/** Whether a name is one of a case. */
export function isCaseName(name: string): name is CaseName {
  return Object.hasOwn(OTHER_CASES, name) || LOAD_CASES.some((each) => each.name === name);
}
