import { loadPackageDefinition, Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { PROTO_FILE } from "../../wire/proto-file.ts";

/** The service as one would write it with @grpc/grpc-js: a run of onnxruntime for each request. This file is an entry. */

interface InferRequest {
  readonly model_name: string;
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
  readonly raw_input_contents: readonly Buffer[];
}

interface InferResponse {
  readonly model_name: string;
  readonly model_version: string;
  readonly outputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
  readonly raw_output_contents: readonly Uint8Array[];
}

const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
const [file = "", port = ""] = process.argv.slice(2);
const isConstant = process.env["CONSTANT"] === "1";
const session = await InferenceSession.create(file, { intraOpNumThreads: 1, interOpNumThreads: 1 });

function tensorOf({ datatype, shape }: InferRequest["inputs"][number], raw: Buffer): Tensor {
  // In a buffer of its own, and so aligned.
  const bytes = new Uint8Array(raw).buffer;
  if (datatype === "INT64") return new Tensor("int64", new BigInt64Array(bytes), shape);
  return new Tensor("float32", new Float32Array(bytes), shape);
}

async function infer(request: InferRequest): Promise<InferResponse> {
  const feeds = request.inputs.map((input, index) => {
    return [input.name, tensorOf(input, request.raw_input_contents[index] ?? Buffer.alloc(0))] as const;
  });
  const answers = Object.entries(await session.run(Object.fromEntries(feeds)));
  return {
    model_name: request.model_name,
    model_version: "1",
    outputs: answers.map(([name, { type, dims }]) => ({
      name,
      datatype: type === "int64" ? "INT64" : "FP32",
      shape: dims,
    })),
    raw_output_contents: answers.map(([, { data }]) => {
      if (!ArrayBuffer.isView(data)) throw new Error("expected an output of numbers");
      return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    }),
  };
}

async function answer(request: InferRequest, callback: Callback): Promise<void> {
  try {
    callback(null, await infer(request));
  } catch (error) {
    callback(error instanceof Error ? error : new Error(String(error)));
  }
}

const CONSTANT: InferResponse = {
  model_name: "model",
  model_version: "1",
  outputs: [{ name: "output", datatype: "FP32", shape: [1, 10] }],
  raw_output_contents: [new Uint8Array(40)],
};

type Callback = (error: Error | null, response?: InferResponse) => void;
const loaded = loadPackageDefinition(loadSync(PROTO_FILE, { keepCase: true, longs: Number }));
const { GRPCInferenceService } = loaded["inference"] as unknown as {
  GRPCInferenceService: { service: ServiceDefinition };
};
const server = new Server({
  "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
});
server.addService(GRPCInferenceService.service, {
  ModelInfer: ({ request }: { request: InferRequest }, callback: Callback) => {
    if (isConstant) callback(null, CONSTANT);
    else void answer(request, callback);
  },
});
server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
});
