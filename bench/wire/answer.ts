import { z } from "zod";
import type { BenchModel } from "../bench-models.ts";
import type { RawAnswer } from "./ask-once.ts";
import { InferResponseMessage } from "./encoding.ts";

/** An output: numbers, whatever the datatype. */
export interface AnswerTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Relative, as engines of other releases may compute in another order. */
const TOLERANCE = 1e-3;

const outputs = z.object({
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.number()),
      parameters: z.looseObject({ binary_data_size: z.number().optional() }).nullish(),
      data: z.array(z.unknown()).nullish(),
    }),
  ),
});
const grpcOutputs = z.object({
  outputs: z.array(
    z.object({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.number()),
      contents: z.object({ fp32_contents: z.array(z.number()), int64_contents: z.array(z.number()) }).nullish(),
    }),
  ),
  raw_output_contents: z.array(z.instanceof(Uint8Array)),
});

/** Reads an answer, however it came. Throws if it is not one. */
export function readingOf({ kind, body, headerBytes }: RawAnswer): AnswerTensor[] {
  return kind === "grpc" ? readGrpcAnswer(body) : readHttpAnswer(body, headerBytes);
}

/**
 * Reads an answer over HTTP: JSON, or `headerBytes` of JSON and the binary tensors. Throws if it is not one.
 */
export function readHttpAnswer(body: Buffer, headerBytes: number | undefined): AnswerTensor[] {
  const answer = outputs.parse(JSON.parse(body.toString("utf8", 0, headerBytes ?? body.length)));
  let at = headerBytes ?? body.length;
  return answer.outputs.map(({ name, datatype, shape, data, parameters }) => {
    const size = parameters?.binary_data_size;
    if (size === undefined) return { name, shape, data: (data ?? []).flat(Infinity).map(Number) };
    at += size;
    return { name, shape, data: numbersOf(body.subarray(at - size, at), datatype) };
  });
}

/** Reads the message of an answer over gRPC. Throws if it is not one. */
export function readGrpcAnswer(message: Uint8Array): AnswerTensor[] {
  const decoded = InferResponseMessage.decode(message);
  const answer = grpcOutputs.parse(InferResponseMessage.toObject(decoded, { longs: Number, arrays: true }));
  return answer.outputs.map(({ name, datatype, shape, contents }, index) => {
    const raw = answer.raw_output_contents[index];
    if (raw !== undefined) return { name, shape, data: numbersOf(raw, datatype) };
    return { name, shape, data: [...(contents?.fp32_contents ?? []), ...(contents?.int64_contents ?? [])] };
  });
}

/** What an answer should be, from onnxruntime itself. */
export async function expectedAnswer({ file, inputs }: BenchModel): Promise<AnswerTensor[]> {
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
  const feeds = inputs.map(({ name, data, shape }) => {
    const tensor = data instanceof Float32Array ? new Tensor("float32", data, shape) : new Tensor("int64", data, shape);
    return [name, tensor] as const;
  });
  const answers = await session.run(Object.fromEntries(feeds));
  await session.release();
  return Object.entries(answers).map(([name, { dims, data }]) => ({
    name,
    shape: dims,
    data: Array.from(data as ArrayLike<number | bigint>, Number),
  }));
}

/** What is wrong with an answer; undefined if it is right. */
export function faultOf(got: readonly AnswerTensor[], expected: readonly AnswerTensor[]): string | undefined {
  for (const { name, shape, data } of expected) {
    const output = got.find((each) => each.name === name);
    if (output === undefined) return `output ${name} is missing`;
    // Servers differ in dimensions of 1.
    if (output.data.length !== data.length) {
      return `${name}: expected ${data.length} numbers as of shape [${shape.join()}], got ${output.data.length}`;
    }
    const wrong = data.findIndex((value, index) => !isClose(output.data[index], value));
    if (wrong !== -1) return `${name}[${wrong}]: expected ${data[wrong]}, got ${output.data[wrong]}`;
  }
  return undefined;
}

function isClose(got: number | undefined, expected: number): boolean {
  return got !== undefined && Math.abs(got - expected) <= TOLERANCE * Math.max(1e-3, Math.abs(expected));
}

function numbersOf(bytes: Uint8Array, datatype: string): number[] {
  // In a buffer of its own, and so aligned.
  const aligned = new Uint8Array(bytes).buffer;
  if (datatype === "FP32") return [...new Float32Array(aligned)];
  if (datatype === "INT64") return Array.from(new BigInt64Array(aligned), Number);
  throw new Error(`expected an output of FP32 or INT64, got ${datatype}`);
}
