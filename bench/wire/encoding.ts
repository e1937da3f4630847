import protobuf from "protobufjs";
import type { BenchModel, BenchTensor } from "../bench-models.ts";
import type { Target } from "../loadgen/job.ts";
import { PROTO_FILE } from "./proto-file.ts";

/** How a request carries its tensors: v2 in JSON, v2 with the binary tensor extension, or gRPC with raw contents. */
export type Encoding = "json" | "binary" | "grpc";

/** Path of the unary call of the gRPC service. */
export const MODEL_INFER_PATH = "/inference.GRPCInferenceService/ModelInfer";

const root = new protobuf.Root().loadSync(PROTO_FILE, { keepCase: true });
export const InferRequestMessage: protobuf.Type = root.lookupType("inference.ModelInferRequest");
export const InferResponseMessage: protobuf.Type = root.lookupType("inference.ModelInferResponse");

/** The request for one row, ready to send; always the same. */
export function targetOf(
  model: BenchModel,
  encoding: Encoding,
  ports: { readonly http: number; readonly grpc: number },
): Target {
  if (encoding === "grpc") {
    return { kind: "grpc", port: ports.grpc, path: MODEL_INFER_PATH, message: grpcMessage(model) };
  }
  const { headers, body } = encoding === "json" ? jsonBody(model) : binaryBody(model);
  const head = [
    `POST /v2/models/${model.name}/infer HTTP/1.1`,
    `Host: 127.0.0.1:${ports.http}`,
    "User-Agent: lockstep-bench",
    "Accept: */*",
    ...headers,
    `Content-Length: ${body.length}`,
  ];
  return {
    kind: "http1",
    port: ports.http,
    request: Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), body]),
  };
}

/** Numbers are written as Python's `tolist()` gives them, which clients do: in full. */
function jsonBody({ inputs }: BenchModel): { headers: readonly string[]; body: Buffer } {
  const tensors = inputs.map(({ name, shape, datatype, data }) => ({
    name,
    shape,
    datatype,
    data: Array.from(data, Number),
  }));
  return { headers: ["Content-Type: application/json"], body: Buffer.from(JSON.stringify({ inputs: tensors })) };
}

function binaryBody({ inputs }: BenchModel): { headers: readonly string[]; body: Buffer } {
  const tensors = inputs.map(({ name, shape, datatype, data }) => {
    return { name, shape, datatype, parameters: { binary_data_size: data.byteLength } };
  });
  const json = Buffer.from(JSON.stringify({ parameters: { binary_data_output: true }, inputs: tensors }));
  return {
    headers: ["Content-Type: application/octet-stream", `Inference-Header-Content-Length: ${json.length}`],
    body: Buffer.concat([json, ...inputs.map(rawContents)]),
  };
}

function grpcMessage({ name, inputs }: BenchModel): Uint8Array {
  return InferRequestMessage.encode({
    model_name: name,
    inputs: inputs.map((input) => ({ name: input.name, datatype: input.datatype, shape: input.shape })),
    raw_input_contents: inputs.map(rawContents),
  }).finish();
}

/** Little-endian, row by row. */
export function rawContents({ data }: Pick<BenchTensor, "data">): Buffer {
  return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
}
