import { availableParallelism } from "node:os";
import {
  choice,
  integer,
  list,
  readEnvironment,
  text,
  type Environment,
  type ValuesOf,
  type Variable,
} from "../common/environment.ts";
import { LOG_LEVELS } from "../common/logger.ts";
import { ADMIN_PORT, GRPC_PORT, HTTP_PORT } from "../common/ports.ts";
import type { GrpcLimits } from "./grpc/server/grpc-limits.ts";
import type { HttpLimits } from "./http/http-server-options.ts";
import { isNetwork } from "./storage/network-guard.ts";

/** The configuration of a replica's process: the one list of its variables. What it serves is in common/runtime-config.ts. */
export const RUNTIME_VARIABLES = {
  LOCKSTEP_CONFIG: text(
    "",
    "File with the replica's configuration, as the operator writes it. Without it, LOCKSTEP_STORAGE_URI says what to serve.",
  ),
  LOCKSTEP_STORAGE_URI: text("", "Where the model is, for a container that runs alone."),
  LOCKSTEP_MODEL_NAME: text("", "Name of that model; default: the last part of LOCKSTEP_STORAGE_URI."),
  LOCKSTEP_HOST: text("::", "Address to listen on; :: is every one, of IPv4 too."),
  LOCKSTEP_HTTP_PORT: integer(HTTP_PORT, "Port for inference over HTTP, health and metrics; 0 takes a free one.", {
    min: 0,
    max: 65_535,
  }),
  LOCKSTEP_GRPC_PORT: integer(GRPC_PORT, "Port for inference over gRPC; 0 takes a free one, -1 goes without gRPC.", {
    min: -1,
    max: 65_535,
  }),
  LOCKSTEP_ADMIN_PORT: integer(
    ADMIN_PORT,
    "Port on which the operator asks for the replica's state; 0 takes a free one.",
    { min: 0, max: 65_535 },
  ),
  LOCKSTEP_OPERATOR_KEY: text(
    "",
    "File with the operator's public keys, in PEM. With it, the admin port answers nobody else; without it, it takes no commands.",
  ),
  LOCKSTEP_MODEL_DIR: text("/var/lib/lockstep/models", "Folder for fetched models."),
  LOCKSTEP_PVC_ROOT: text("/mnt/pvc", "Folder in which the claims of pvc:// are mounted, each under its name."),
  LOCKSTEP_CACHE_DIR: text(
    "",
    "Folder that the replicas of a node share, so that each file of a model is fetched once; empty for none. Whoever can write to it must be trusted as far as docs/models.md says.",
  ),
  LOCKSTEP_CACHE_MAX_BYTES: integer(
    10 * 1024 ** 3,
    "The most that LOCKSTEP_CACHE_DIR may take, in bytes; what was not used for longest is removed first.",
    { min: 1, max: Number.MAX_SAFE_INTEGER },
  ),
  LOCKSTEP_INTRA_OP_THREADS: integer(
    0,
    "Threads that one run of a model uses; 0 means as many as the CPU limit allows.",
    { min: 0, max: 256 },
  ),
  LOCKSTEP_LOAD_TIMEOUT_MS: integer(
    600_000,
    "How long, in ms, the inference library may take to load a version, after it was fetched.",
    { min: 1_000, max: 86_400_000 },
  ),
  LOCKSTEP_START_HOLD_MS: integer(
    5_000,
    "How long, in ms, a request may wait for a model that a replica which has just started does not have yet; 0 answers it with status 503 at once.",
    { min: 0, max: 3_600_000 },
  ),
  LOCKSTEP_MAX_BODY_BYTES: integer(64 * 1024 * 1024, "The largest request body, in bytes.", {
    min: 1_024,
    max: 2 ** 31 - 1,
  }),
  LOCKSTEP_MAX_IN_FLIGHT: integer(
    1_024,
    "Inference requests in flight at a time; those beyond are answered with status 429.",
    {
      min: 1,
      max: 1_000_000,
    },
  ),
  LOCKSTEP_MAX_BUFFERED_BYTES: integer(
    0,
    "Bytes of request bodies in memory, of all requests together; beyond it requests are answered with status 429. 0 means 8 times LOCKSTEP_MAX_BODY_BYTES.",
    { min: 0, max: Number.MAX_SAFE_INTEGER },
  ),
  LOCKSTEP_MAX_UNSENT_BYTES: integer(
    0,
    "Bytes of answers in memory that clients have not taken, of all together; beyond it, the connections whose clients have let them wait for longest are closed. 0 means 4 times LOCKSTEP_MAX_BODY_BYTES.",
    { min: 0, max: Number.MAX_SAFE_INTEGER },
  ),
  LOCKSTEP_MAX_CONNECTIONS: integer(
    10_000,
    "Open connections on the port for inference; those beyond are closed unanswered.",
    { min: 1, max: 1_000_000 },
  ),
  LOCKSTEP_HEADERS_TIMEOUT_MS: integer(10_000, "How long, in ms, the head of a request may take to arrive.", {
    min: 100,
    max: 3_600_000,
  }),
  LOCKSTEP_RECEIVE_TIMEOUT_MS: integer(
    60_000,
    "How long, in ms, the body of a request may take to arrive; then it is answered with status 408. Streams may take longer.",
    { min: 100, max: 3_600_000 },
  ),
  LOCKSTEP_SEND_TIMEOUT_MS: integer(
    60_000,
    "How long, in ms, a client may take to read its answer; then the connection is closed. Streams may take longer.",
    { min: 100, max: 3_600_000 },
  ),
  LOCKSTEP_STREAM_IDLE_TIMEOUT_MS: integer(
    300_000,
    "How long, in ms, the client of a stream over HTTP may send nothing, or read nothing; then the stream is ended.",
    { min: 1_000, max: 86_400_000 },
  ),
  LOCKSTEP_KEEP_ALIVE_TIMEOUT_MS: integer(
    75_000,
    "How long, in ms, a connection may be idle. Must be longer than load balancers in front of the replica keep theirs.",
    { min: 1_000, max: 3_600_000 },
  ),
  LOCKSTEP_MAX_CONNECTION_AGE_MS: integer(
    300_000,
    "How old, in ms, a connection gets, of HTTP and of gRPC, before its client is asked to make another, which may lead to another replica; a tenth more or less. 0 lets them live.",
    { min: 0, max: 86_400_000 },
  ),
  LOCKSTEP_GRPC_MAX_CONNECTION_AGE_GRACE_MS: integer(
    60_000,
    "How long, in ms, calls on a gRPC connection may go on whose client was asked to make another.",
    {
      min: 1_000,
      max: 86_400_000,
    },
  ),
  LOCKSTEP_COMPRESS_MIN_BYTES: integer(
    1_024,
    "Answers of at least so many bytes are compressed for clients that accept it; 0 compresses none.",
    { min: 0, max: Number.MAX_SAFE_INTEGER },
  ),
  LOCKSTEP_HTTP_FAST_PATH: choice(
    "on",
    ["on", "off"],
    "Whether requests of the plainest form are read without node's HTTP parser; off leaves all of them to it.",
  ),
  LOCKSTEP_UI: choice(
    "on",
    ["on", "off"],
    "Whether browsers that ask for / get the page on which models can be tried; other clients never do.",
  ),
  LOCKSTEP_MAX_MODEL_BYTES: integer(64 * 1024 ** 3, "The largest version, all its files together, in bytes.", {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }),
  LOCKSTEP_DRAIN_DELAY_MS: integer(
    0,
    "How long, in ms, requests are still accepted after SIGTERM, so that load balancers can take the replica out.",
    {
      min: 0,
      max: 300_000,
    },
  ),
  LOCKSTEP_STORAGE_DENY: networks(
    "127.0.0.0/8,::1/128,169.254.0.0/16,fe80::/10,fd00:ec2::254/128,0.0.0.0/8,::/128",
    "Networks that http(s):// and storage.endpoint may not lead to, nor payload logs. The default keeps models from being fetched from the replica itself and from a cloud's metadata service.",
  ),
  LOCKSTEP_STORAGE_SECRET: text(
    "",
    "Name of the Secret from which credentials of the storage should come, as the operator sets it where some of its keys can be missing: for messages.",
  ),
  LOCKSTEP_DRIFT_ROWS_PER_SECOND: integer(
    200,
    "Rows of requests and answers that are looked at for drift, at most, of all models together; 0 watches none.",
    { min: 0, max: 10_000 },
  ),
  LOCKSTEP_LOG_LEVEL: choice("info", LOG_LEVELS, "The least severe messages that are logged."),
  LOCKSTEP_ACCESS_LOG_PERCENT: integer(
    0,
    "Of 100 requests for inference, so many have a line in the log, whatever their outcome: chosen at random.",
    { min: 0, max: 100 },
  ),
  LOCKSTEP_TRITON_METRICS: choice(
    "off",
    ["on", "off"],
    "Whether /metrics also has the names that Triton gives its metrics of inference, for dashboards that exist.",
  ),
  OTEL_EXPORTER_OTLP_ENDPOINT: text(
    "",
    "Where traces are sent, by OTLP over HTTP in JSON, such as http://collector:4318; empty for no traces. docs/tracing.md has the variables that only matter beside it.",
  ),
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: text(
    "",
    "The same as a whole address, such as http://collector:4318/v1/traces, which is used as it is.",
  ),
  OTEL_TRACES_EXPORTER: text("otlp", "none sends no traces, whatever the endpoint."),
  OTEL_SDK_DISABLED: text("false", "true sends no traces, whatever the endpoint."),
} as const;

/** A list of networks, such as 10.0.0.0/8 and fd00::/8; a bare address is a network of its own. */
function networks(fallback: string, doc: string): Variable<readonly string[]> {
  const { parse, ...texts } = list(fallback, doc);
  return {
    ...texts,
    parse: (value) => {
      const items = parse(value);
      const wrong = items.find((item) => !isNetwork(item));
      if (wrong !== undefined) throw new Error("expected networks such as 10.0.0.0/8 or fd00::/8");
      return items;
    },
  };
}

export type RuntimeProcessConfig = ValuesOf<typeof RUNTIME_VARIABLES>;

/** Reads the configuration of a replica's process. Throws EnvironmentError. */
export function readRuntimeProcessConfig(environment: Environment): RuntimeProcessConfig {
  return readEnvironment(RUNTIME_VARIABLES, environment);
}

/** The bounds of the HTTP server; what is not configured has the server's own defaults. */
export function httpLimitsOf(config: RuntimeProcessConfig): Partial<HttpLimits> {
  const maxBufferedBytes = config.LOCKSTEP_MAX_BUFFERED_BYTES;
  return {
    maxBodyBytes: config.LOCKSTEP_MAX_BODY_BYTES,
    maxConnections: config.LOCKSTEP_MAX_CONNECTIONS,
    headersTimeoutMs: config.LOCKSTEP_HEADERS_TIMEOUT_MS,
    receiveTimeoutMs: config.LOCKSTEP_RECEIVE_TIMEOUT_MS,
    sendTimeoutMs: config.LOCKSTEP_SEND_TIMEOUT_MS,
    streamIdleTimeoutMs: config.LOCKSTEP_STREAM_IDLE_TIMEOUT_MS,
    keepAliveTimeoutMs: config.LOCKSTEP_KEEP_ALIVE_TIMEOUT_MS,
    maxAgeMs: config.LOCKSTEP_MAX_CONNECTION_AGE_MS,
    minCompressedBytes: config.LOCKSTEP_COMPRESS_MIN_BYTES,
    usesFastPath: config.LOCKSTEP_HTTP_FAST_PATH === "on",
    ...(config.LOCKSTEP_MAX_UNSENT_BYTES > 0 && { maxUnsentBytes: config.LOCKSTEP_MAX_UNSENT_BYTES }),
    // A single body of the greatest size must have room.
    ...(maxBufferedBytes > 0 && { maxBufferedBytes: Math.max(maxBufferedBytes, config.LOCKSTEP_MAX_BODY_BYTES) }),
  };
}

/** The bounds of the gRPC server; what is not configured has the server's own defaults. */
export function grpcLimitsOf(config: RuntimeProcessConfig): Partial<GrpcLimits> {
  return {
    maxMessageBytes: config.LOCKSTEP_MAX_BODY_BYTES,
    maxConnections: config.LOCKSTEP_MAX_CONNECTIONS,
    receiveTimeoutMs: config.LOCKSTEP_RECEIVE_TIMEOUT_MS,
    sendTimeoutMs: config.LOCKSTEP_SEND_TIMEOUT_MS,
    idleTimeoutMs: config.LOCKSTEP_KEEP_ALIVE_TIMEOUT_MS,
    maxAgeMs: config.LOCKSTEP_MAX_CONNECTION_AGE_MS,
    ageGraceMs: config.LOCKSTEP_GRPC_MAX_CONNECTION_AGE_GRACE_MS,
  };
}

/** The threads that a run may use. `availableParallelism` heeds the cgroup's CPU limit where libuv does. */
export function intraOpThreads(config: Pick<RuntimeProcessConfig, "LOCKSTEP_INTRA_OP_THREADS">): number {
  return config.LOCKSTEP_INTRA_OP_THREADS || availableParallelism();
}
