import path from "node:path";
import { Client, credentials, type ServiceError } from "@grpc/grpc-js";
import { loadSync, type AnyDefinition, type MethodDefinition } from "@grpc/proto-loader";

const PROTO_FOLDER = path.join(import.meta.dirname, "../../runtime/grpc/proto");
const DEADLINE_MS = 30_000;
const MAX_MESSAGE_BYTES = 256 * 1024 * 1024;

const DEFINITIONS = loadSync(
  ["grpc_service.proto", "tensorflow_serving/apis/prediction_service.proto"].map((file) =>
    path.join(PROTO_FOLDER, file),
  ),
  { keepCase: true, longs: String, enums: String, bytes: Buffer, includeDirs: [PROTO_FOLDER] },
);

const clients = new Map<string, Client>();

/** One client for each address: it keeps its connection until the process ends. */
function clientOf(address: string): Client {
  let client = clients.get(address);
  if (client === undefined) {
    const options = { "grpc.max_receive_message_length": MAX_MESSAGE_BYTES, "grpc.max_send_message_length": -1 };
    client = new Client(address, credentials.createInsecure(), options);
    clients.set(address, client);
  }
  return client;
}

function methodOf(service: string, method: string): MethodDefinition<object, object> {
  const definition = DEFINITIONS[service] as Record<string, AnyDefinition> | undefined;
  const found = definition?.[method];
  if (found === undefined) throw new Error(`no proto file has ${service}/${method}`);
  return found as unknown as MethodDefinition<object, object>;
}

/** Calls a method with one message; integers of 64 bits are texts. Rejects with grpc-js's error. */
export async function callGrpc<Answer>(
  address: string,
  [service, method]: readonly [service: string, method: string],
  message: object,
): Promise<Answer> {
  const { path: where, requestSerialize, responseDeserialize } = methodOf(service, method);
  const bytes = await callGrpcBytes(address, where, requestSerialize(message));
  return responseDeserialize(bytes) as Answer;
}

/** The bytes of a message. */
export function encodeMessage([service, method]: readonly [service: string, method: string], message: object): Buffer {
  return methodOf(service, method).requestSerialize(message);
}

/** Calls a method, given as its path, with bytes that may be no message. Rejects with grpc-js's error, a ServiceError. */
export async function callGrpcBytes(address: string, where: string, message: Buffer): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const pass = (bytes: Buffer): Buffer => bytes;
  const deadline = Date.now() + DEADLINE_MS;
  clientOf(address).makeUnaryRequest(where, pass, pass, message, { deadline }, (error: ServiceError | null, answer) => {
    if (error !== null) reject(error);
    else resolve(answer ?? Buffer.of());
  });
  return await promise;
}
