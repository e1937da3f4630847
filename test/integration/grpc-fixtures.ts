import { once } from "node:events";
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type OutgoingHttpHeaders } from "node:http2";
import { join } from "node:path";
import {
  credentials,
  loadPackageDefinition,
  Metadata,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ServiceClientConstructor,
  type ServiceError,
} from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { onTestFinished } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { PROTOCOLS, type Protocol } from "../../common/runtime-config.ts";
import { DATATYPES, type Datatype, type Signature } from "../../runtime/core/tensor.ts";
import { createGrpcServer } from "../../runtime/grpc/grpc-server.ts";
import type { GrpcLimits } from "../../runtime/grpc/server/grpc-limits.ts";
import type { GrpcServer } from "../../runtime/grpc/server/grpc-server.ts";
import { ModelStatistics } from "../../runtime/monitoring/model-statistics.ts";
import { Admission } from "../../runtime/serving/admission.ts";
import { BodyBudget } from "../../runtime/serving/body-budget.ts";
import type { DismissalReason } from "../../runtime/serving/connection-term.ts";
import { InferPath } from "../../runtime/serving/infer-path.ts";
import { UnsentAnswers } from "../../runtime/serving/unsent-answers.ts";
import { echo, FakeServables, RecordingMetrics, type FakeModel } from "./http-fixtures.ts";

const PROTO_FOLDER = join(import.meta.dirname, "../../runtime/grpc/proto");
const DEFINITIONS = loadPackageDefinition(
  loadSync(
    [
      "grpc_service.proto",
      "grpc/health/v1/health.proto",
      "grpc/reflection/v1/reflection.proto",
      "grpc/reflection/v1alpha/reflection.proto",
      "tensorflow_serving/apis/prediction_service.proto",
      "tensorflow_serving/apis/model_service.proto",
    ],
    { includeDirs: [PROTO_FOLDER], keepCase: true, longs: Number, enums: String, defaults: true },
  ),
);

/** A server of gRPC with fake models. It is closed when the test has ended. */
export interface TestGrpcServer {
  readonly port: number;
  readonly address: string;
  readonly server: GrpcServer;
  readonly servables: FakeServables;
  readonly metrics: RecordingMetrics;
  /** Why clients were asked to make other connections, one for each. */
  readonly dismissals: readonly DismissalReason[];
  /** Lines of the log. */
  readonly log: readonly string[];
}

export async function startGrpcServer(
  models: readonly FakeModel[],
  options: {
    readonly requestTimeoutMs?: number;
    readonly limits?: Partial<GrpcLimits>;
    readonly maxInFlight?: number;
    readonly maxBufferedBytes?: number;
    readonly maxUnsentBytes?: number;
    readonly protocols?: readonly Protocol[];
  } = {},
): Promise<TestGrpcServer> {
  const servables = new FakeServables(models);
  const metrics = new RecordingMetrics();
  const statistics = new ModelStatistics();
  const log: string[] = [];
  const dismissals: DismissalReason[] = [];
  const { requestTimeoutMs = 5_000, limits = {}, maxInFlight = 1_024, maxBufferedBytes, maxUnsentBytes } = options;
  const server = createGrpcServer({
    servables,
    path: new InferPath({ servables, statistics }),
    admission: new Admission(maxInFlight, metrics.inFlight),
    statistics,
    protocols: new Set(options.protocols ?? PROTOCOLS),
    metrics,
    logger: createLogger({ name: "test", level: "info", destination: { write: (line) => log.push(line) } }),
    version: "1.2.3",
    requestTimeoutMs,
    onDismissed: (reason) => dismissals.push(reason),
    limits: { checkIntervalMs: 20, ...limits },
    ...(maxUnsentBytes !== undefined && { unsent: new UnsentAnswers(maxUnsentBytes) }),
    ...(maxBufferedBytes !== undefined && { budget: new BodyBudget(maxBufferedBytes) }),
  });
  const { port } = await server.listen("127.0.0.1", 0);
  onTestFinished(() => server.close(0));
  return { port, address: `127.0.0.1:${port}`, server, servables, metrics, dismissals, log };
}

/** A model for each datatype that answers with what it is asked; its name is the datatype. */
export function echoModels(shape: readonly number[] = [-1, 3]): FakeModel[] {
  return (Object.keys(DATATYPES) as Datatype[]).map((datatype) => ({
    name: datatype,
    signature: { inputs: [{ name: "x", datatype, shape }], outputs: [{ name: "y", datatype, shape }] },
    infer: echo,
  }));
}

/** One input and one output of FP32 with rows of four. */
export const ROWS: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 4] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 4] }],
};

type Message = Readonly<Record<string, unknown>>;

export interface UnaryOptions {
  readonly metadata?: Readonly<Record<string, string>>;
  /** Milliseconds from now. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface UnaryResult {
  readonly message: Message;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** A client of @grpc/grpc-js, closed when the test has ended. */
export class GrpcClient {
  readonly #stub: InstanceType<ServiceClientConstructor>;

  /** `service` is a full name, such as inference.GRPCInferenceService. */
  constructor(
    address: string,
    service = "inference.GRPCInferenceService",
    options: Readonly<Record<string, number>> = {},
  ) {
    let found: unknown = DEFINITIONS;
    for (const part of service.split(".")) found = (found as Record<string, unknown>)[part];
    const Client = found as ServiceClientConstructor;
    this.#stub = new Client(address, credentials.createInsecure(), {
      "grpc.max_receive_message_length": -1,
      "grpc.max_send_message_length": -1,
      // No connection is shared with clients of other tests.
      "grpc.use_local_subchannel_pool": 1,
      ...options,
    });
    onTestFinished(() => this.#stub.close());
  }

  close(): void {
    this.#stub.close();
  }

  /** Rejects with a ServiceError. */
  call(method: string, message: Message, options: UnaryOptions = {}): Promise<UnaryResult> {
    const { timeoutMs, signal } = options;
    return new Promise((resolve, reject) => {
      let headers: Readonly<Record<string, unknown>> = {};
      const made = this.#method(method).call(
        this.#stub,
        message,
        metadataOf(options),
        timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
        (error: ServiceError | null, answer: Message) => {
          if (error === null) resolve({ message: answer, headers });
          else reject(error);
        },
      ) as ReturnType<InstanceType<ServiceClientConstructor>["makeUnaryRequest"]>;
      made.on("metadata", (metadata) => {
        headers = metadata.getMap();
      });
      signal?.addEventListener("abort", () => made.cancel());
    });
  }

  /** The code of the error that a call ends with, or OK. */
  async codeOf(method: string, message: Message, options?: UnaryOptions): Promise<number> {
    return await this.call(method, message, options).then(
      () => 0,
      (error: ServiceError) => error.code,
    );
  }

  /** A call with messages both ways. */
  open(method: string, options: UnaryOptions = {}): Stream {
    return new Stream(
      this.#method(method).call(this.#stub, metadataOf(options)) as ClientDuplexStream<Message, Message>,
    );
  }

  /** A call with many answers. */
  watch(method: string, message: Message): Stream {
    return new Stream(this.#method(method).call(this.#stub, message) as ClientReadableStream<Message>);
  }

  #method(name: string): (...args: unknown[]) => unknown {
    const method = (this.#stub as unknown as Record<string, unknown>)[name];
    if (typeof method !== "function") throw new Error(`expected a method, got ${name}`);
    return method as (...args: unknown[]) => unknown;
  }
}

function metadataOf({ metadata = {} }: UnaryOptions): Metadata {
  const made = new Metadata();
  for (const [name, value] of Object.entries(metadata)) made.set(name, value);
  return made;
}

/** What comes of a call with many answers. */
export class Stream {
  readonly call: ClientDuplexStream<Message, Message>;
  readonly answers: Message[] = [];
  /** Resolves when the call has ended, with its code and message. */
  readonly ended: Promise<{ readonly code: number; readonly details: string }>;
  #onAnswer: (() => void) | undefined;

  constructor(call: ClientReadableStream<Message>) {
    this.call = call as ClientDuplexStream<Message, Message>;
    call.on("data", (answer: Message) => {
      this.answers.push(answer);
      this.#onAnswer?.();
    });
    call.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      call.on("status", ({ code, details }) => resolve({ code, details }));
    });
    void this.ended.then(() => this.#onAnswer?.());
    onTestFinished(() => call.cancel());
  }

  send(message: Message): void {
    this.call.write(message);
  }

  /** Waits for as many answers. */
  async received(count: number): Promise<readonly Message[]> {
    const ended = this.ended.then(() => true);
    while (this.answers.length < count) {
      const answered = new Promise<boolean>((resolve) => {
        this.#onAnswer = () => resolve(false);
      });
      if ((await Promise.race([answered, ended])) && this.answers.length < count) {
        const { code, details } = await this.ended;
        throw new Error(`expected ${count} answers, got ${this.answers.length} and status ${code} ${details}`);
      }
    }
    return this.answers;
  }
}

/** A request with one input of rows of four. */
export function rowsRequest(values: readonly number[], more: Message = {}): Message {
  const shape = [values.length / 4, 4];
  return {
    model_name: "rows",
    inputs: [{ name: "x", datatype: "FP32", shape }],
    raw_input_contents: [Buffer.from(Float32Array.from(values).buffer)],
    ...more,
  };
}

/** A client that speaks HTTP/2 itself, for what no library of gRPC would send. */
export class RawHttp2 {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
  }

  static async open(port: number): Promise<RawHttp2> {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on("error", () => undefined);
    onTestFinished(() => session.destroy());
    await once(session, "connect");
    return new RawHttp2(session);
  }

  /** Begins a call; nothing of its body is sent. */
  begin(path: string, headers: OutgoingHttpHeaders = {}): RawCall {
    const stream = this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    return new RawCall(stream);
  }

  /** Sends bytes as a call's whole body. */
  async send(path: string, body: Uint8Array, headers: OutgoingHttpHeaders = {}): Promise<RawAnswer> {
    const call = this.begin(path, headers);
    call.stream.end(body);
    return await call.answer;
  }
}

export interface RawAnswer {
  readonly headers: Readonly<Record<string, unknown>>;
  readonly trailers: Readonly<Record<string, unknown>>;
  readonly body: Buffer;
  readonly resetCode: number | undefined;
  /** Of headers or trailers. */
  readonly status: string | undefined;
}

export class RawCall {
  readonly stream: ClientHttp2Stream;
  /** Resolves when the call is over. */
  readonly answer: Promise<RawAnswer>;

  constructor(stream: ClientHttp2Stream) {
    this.stream = stream;
    let headers: Readonly<Record<string, unknown>> = {};
    let trailers: Readonly<Record<string, unknown>> = {};
    const pieces: Buffer[] = [];
    stream.on("response", (received) => {
      headers = received;
    });
    stream.on("trailers", (received) => {
      trailers = received;
    });
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("error", () => undefined);
    this.answer = new Promise((resolve) => {
      stream.on("close", () => {
        const status = (trailers["grpc-status"] ?? headers["grpc-status"]) as string | undefined;
        resolve({
          headers,
          trailers,
          body: Buffer.concat(pieces),
          resetCode: stream.rstCode,
          status,
        });
      });
    });
  }
}

/** A message with its head. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.from([flag, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
