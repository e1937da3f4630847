import { connect, type Socket } from "node:net";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { createLogger } from "../../common/logger.ts";
import { PROTOCOLS, type Protocol } from "../../common/runtime-config.ts";
import type { LoadedModel, Servables, ServableView } from "../../runtime/core/servable.ts";
import type { Signature, Tensor, TensorSpec } from "../../runtime/core/tensor.ts";
import { ServingError } from "../../runtime/errors.ts";
import { createHttpServer, type HttpServer } from "../../runtime/http/http-server.ts";
import type { HttpLimits } from "../../runtime/http/http-server-options.ts";
import { ModelStatistics } from "../../runtime/monitoring/model-statistics.ts";
import type { RequestMetrics, RequestObservation } from "../../runtime/monitoring/request-metrics.ts";
import { Admission } from "../../runtime/serving/admission.ts";
import type { DismissalReason } from "../../runtime/serving/connection-term.ts";
import { InferPath } from "../../runtime/serving/infer-path.ts";

/** How a fake model answers. */
export type Infer = (
  inputs: readonly Tensor[],
  outputs: readonly string[],
  signal: AbortSignal,
) => Promise<readonly Tensor[]>;

/** Answers with zeros of the shape that the outputs' first dimension takes from the inputs. */
export const answerZeros =
  (signature: Signature): Infer =>
  async (inputs, outputs) =>
    await Promise.resolve(
      outputs.map((name) => {
        const spec = signature.outputs.find((output) => output.name === name) as TensorSpec;
        const shape = spec.shape.map((length) => (length === -1 ? (inputs[0]?.shape[0] ?? 1) : length));
        const count = shape.reduce((product, length) => product * length, 1);
        return { name, datatype: "FP32", shape, data: new Float32Array(count) };
      }),
    );

/** Answers each output with the input of the same place. */
export const echo: Infer = async (inputs, outputs) =>
  await Promise.resolve(outputs.map((name, index) => ({ ...(inputs[index] as Tensor), name })));

export interface FakeModel {
  readonly name: string;
  readonly signature: Signature;
  readonly infer?: Infer;
  /** What answers instead. */
  readonly loaded?: LoadedModel;
  /** Whether its queue is full. */
  readonly isFull?: () => boolean;
  /** Versions that answer; the last is the active one. Default: 1. */
  readonly versions?: readonly number[];
  /** Versions that are to be served but are not loaded. */
  readonly loading?: readonly number[];
  readonly labels?: Readonly<Record<string, number>>;
  readonly state?: ServableView["state"];
}

function loadedModel(model: FakeModel): LoadedModel {
  if (model.loaded !== undefined) return model.loaded;
  const infer = model.infer ?? answerZeros(model.signature);
  return {
    signature: model.signature,
    execution: () => ({ placement: "Worker", instances: 1, intraOpThreads: 1, batching: undefined }),
    infer: async ({ inputs, outputs }, signal) => ({
      outputs: await infer(inputs, outputs, signal ?? new AbortController().signal),
      timing: { queueMs: 0, computeMs: 0, batchSize: 1 },
    }),
    checkRoom: () => {
      if (model.isFull?.() === true) throw new ServingError("ResourceExhausted", "requests: expected room, got none");
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Models that count how often they are lent and given back. */
export class FakeServables implements Servables {
  readonly #models: readonly FakeModel[];
  acquired = 0;
  disposed = 0;
  ready = true;

  constructor(models: readonly FakeModel[]) {
    this.#models = models;
  }

  acquire(name: string, version?: number): ReturnType<Servables["acquire"]> {
    const model = this.#models.find((candidate) => candidate.name === name);
    if (model === undefined) throw new ServingError("NotFound", "model: expected a served one, got another");
    const versions = model.versions ?? [1];
    const chosen = version ?? versions.at(-1);
    if (chosen === undefined || model.loading?.includes(chosen) === true) {
      throw new ServingError("Unavailable", "model: expected a loaded one, got one that is not loaded yet");
    }
    if (!versions.includes(chosen)) throw new ServingError("NotFound", "version: expected a served one, got another");
    this.acquired++;
    let isDisposed = false;
    return {
      id: { name, version: chosen },
      digest: "sha256:00",
      signature: model.signature,
      state: model.state ?? [],
      model: loadedModel(model),
      [Symbol.dispose]: () => {
        if (isDisposed) throw new Error("a handle was disposed of twice");
        isDisposed = true;
        this.disposed++;
      },
    };
  }

  versionOf(name: string, label: string): number {
    const version = this.#models.find((candidate) => candidate.name === name)?.labels?.[label];
    if (version === undefined) throw new ServingError("NotFound", "label: expected a known one, got another");
    return version;
  }

  models(): ReturnType<Servables["models"]> {
    return this.#models.map(({ name, versions = [1], loading = [], labels = {} }) => ({
      name,
      platform: "onnx_onnxv1",
      availableVersions: versions,
      activeVersion: versions.at(-1),
      versions: [
        ...versions.map((version) => ({ version, state: "READY" as const, reason: "" })),
        ...loading.map((version) => ({ version, state: "LOADING" as const, reason: "" })),
      ],
      labels,
    }));
  }

  isReady(): boolean {
    return this.ready;
  }
}

/** Metrics that remember. */
export class RecordingMetrics implements RequestMetrics {
  readonly observed: RequestObservation[] = [];
  inFlightNow = 0;
  readonly inFlight = {
    inc: (): void => {
      this.inFlightNow++;
    },
    dec: (): void => {
      this.inFlightNow--;
    },
  };

  observeRequest(request: RequestObservation): void {
    this.observed.push(request);
  }
}

/** A server on a free port of the loopback interface. Dispose of it. */
export interface TestServer extends AsyncDisposable {
  readonly port: number;
  readonly origin: string;
  readonly http: HttpServer;
  readonly servables: FakeServables;
  readonly metrics: RecordingMetrics;
  /** Why clients were asked to make other connections, one for each. */
  readonly dismissals: readonly DismissalReason[];
  /** Lines of the log. */
  readonly log: readonly string[];
}

let isFastByDefault = true;

/** Says how servers that are started from now on read their requests. */
export function useFastPath(isFast: boolean): void {
  isFastByDefault = isFast;
}

export async function startServer(
  models: readonly FakeModel[],
  options: {
    readonly requestTimeoutMs?: number;
    readonly limits?: Partial<HttpLimits>;
    readonly maxInFlight?: number;
    readonly protocols?: readonly Protocol[];
  } = {},
): Promise<TestServer> {
  const servables = new FakeServables(models);
  const metrics = new RecordingMetrics();
  const log: string[] = [];
  const dismissals: DismissalReason[] = [];
  const statistics = new ModelStatistics();
  const http = createHttpServer({
    servables,
    path: new InferPath({ servables, statistics }),
    admission: new Admission(options.maxInFlight ?? 1_024, metrics.inFlight),
    statistics,
    protocols: new Set(options.protocols ?? PROTOCOLS),
    metrics,
    metricsPages: { render: () => Promise.resolve({ contentType: "text/plain; version=0.0.4", body: "up 1\n" }) },
    logger: createLogger({ name: "test", level: "info", destination: { write: (line) => log.push(line) } }),
    version: "1.2.3",
    requestTimeoutMs: options.requestTimeoutMs ?? 5_000,
    onDismissed: (reason) => dismissals.push(reason),
    limits: { lingerMs: 500, usesFastPath: isFastByDefault, ...options.limits },
  });
  const { port } = await http.listen("127.0.0.1", 0);
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    http,
    servables,
    metrics,
    dismissals,
    log,
    [Symbol.asyncDispose]: () => http.close(0),
  };
}

/** Waits until a condition holds; throws when it does not within `withinMs`. */
export async function eventually(condition: () => boolean, withinMs = 5_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${condition.toString()}`);
    await delay(5);
  }
}

/** A connection that sends bytes as they are. */
export class RawClient implements Disposable {
  readonly socket: Socket;
  received = "";
  /** Resolves when the server has closed the connection. */
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding("latin1").on("data", (text: string) => {
      this.received += text;
    });
    // A reset is one of the ways in which a server closes.
    socket.on("error", () => undefined);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    socket.on("close", () => resolve());
    socket.on("end", () => resolve());
  }

  static async open(port: number): Promise<RawClient> {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    const client = new RawClient(socket);
    await once(socket, "connect");
    return client;
  }

  write(bytes: string | Uint8Array): void {
    this.socket.write(bytes);
  }

  /** The answers so far; incomplete ones are left out. */
  answers(): readonly RawAnswer[] {
    const answers: RawAnswer[] = [];
    let rest = this.received;
    for (;;) {
      const end = rest.indexOf("\r\n\r\n");
      if (end === -1) return answers;
      const [statusLine = "", ...lines] = rest.slice(0, end).split("\r\n");
      const headers = new Map(
        lines.map((line) => {
          const colon = line.indexOf(":");
          return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
        }),
      );
      const length = Number(headers.get("content-length") ?? 0);
      const body = rest.slice(end + 4, end + 4 + length);
      if (body.length < length) return answers;
      answers.push({ status: Number(statusLine.split(" ")[1]), headers, body: Buffer.from(body, "latin1").toString() });
      rest = rest.slice(end + 4 + length);
    }
  }

  /** Waits for as many answers and returns the last of them. */
  async answer(count = 1): Promise<RawAnswer> {
    await eventually(() => this.answers().length >= count || this.socket.destroyed);
    const answer = this.answers()[count - 1];
    if (answer === undefined) throw new Error(`expected ${count} answers, got ${JSON.stringify(this.received)}`);
    return answer;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** The bytes of a POST request with a body. */
export function post(path: string, body: string | Uint8Array, headers: readonly string[] = []): Buffer {
  const bytes = Buffer.from(body);
  const head = [`POST ${path} HTTP/1.1`, "Host: test", `Content-Length: ${bytes.length}`, ...headers].join("\r\n");
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), bytes]);
}
