import type { Logger } from "../../common/logger.ts";
import type { Protocol } from "../../common/runtime-config.ts";
import type { Servables } from "../core/servable.ts";
import type { FeedbackTaker } from "../protocol/v2/feedback-route.ts";
import type { ModelStatisticsReader } from "../monitoring/model-statistics.ts";
import type { Admission } from "../serving/admission.ts";
import type { DismissalReason } from "../serving/connection-term.ts";
import type { UnsentAnswers } from "../serving/unsent-answers.ts";
import type { BodyBudget } from "../serving/body-budget.ts";
import type { InferPath } from "../serving/infer-path.ts";
import type { MetricsPages, RequestMetrics } from "../monitoring/request-metrics.ts";
import type { PageFiles } from "../ui/page-files.ts";

/** What a server of the inference port needs of the rest of the replica. */
export interface HttpServerOptions {
  readonly servables: Servables;
  readonly path: InferPath;
  /** Shared with the servers of other protocols. */
  readonly admission: Admission;
  readonly statistics: ModelStatisticsReader;
  /** Protocols that are switched on. */
  readonly protocols: ReadonlySet<Protocol>;
  readonly metrics: RequestMetrics;
  readonly metricsPages: MetricsPages;
  /** What browsers get for `GET /`. Default: what all clients get. */
  readonly page?: PageFiles | undefined;
  readonly logger: Logger;
  /** Release of this program, for `GET /v2`. */
  readonly version: string;
  /** Who takes outcomes of predictions. Default: nobody. */
  readonly feedback?: FeedbackTaker | undefined;
  /** Time for an answer once the request has arrived, in ms; after it the client gets status 504. */
  readonly requestTimeoutMs: number;
  /** Memory for bodies, where servers of other protocols share it. Default: one of `maxBufferedBytes`, for this server. */
  readonly budget?: BodyBudget;
  /** Memory for answers that are not taken, likewise. Default: one of `maxUnsentBytes`, for this server. */
  readonly unsent?: UnsentAnswers;
  /** Gives numbers from 0 to 1. Default: Math.random. */
  readonly random?: () => number;
  /** Told of each connection whose client is asked to make another. */
  readonly onDismissed?: (reason: DismissalReason) => void;
  /** Told of each answer when all of it is written; undefined: a request has none, because its connection is gone. */
  readonly onAnswered?: (status: number | undefined) => void;
  /** Told of each connection that was closed unanswered because too many were open. */
  readonly onDropped?: () => void;
  readonly limits?: Partial<HttpLimits>;
}

/** The same, with the memory that all handlers of a server share. */
export type HandlerOptions = HttpServerOptions & Required<Pick<HttpServerOptions, "budget" | "unsent">>;

/** Bounds on what clients can make the server do, each per replica, and how it goes about it. */
export interface HttpLimits {
  /** The largest request body, in bytes. Default 64 MiB. */
  readonly maxBodyBytes: number;
  /** Bytes of request bodies in memory, of all requests together; beyond it, status 429. Default 8 x maxBodyBytes. */
  readonly maxBufferedBytes: number;
  /**
   * Bytes of answers in memory that clients have not taken, of all together; beyond it, the connections that have waited for
   * longest are closed. Default 4 x maxBodyBytes.
   */
  readonly maxUnsentBytes: number;
  /** Open connections; those beyond are closed unanswered. Default 10,000. */
  readonly maxConnections: number;
  /** Time for a request's head to arrive, in ms. Default 10 s. */
  readonly headersTimeoutMs: number;
  /** Time for the rest of a request to arrive, in ms; streams have bounds of their own. Default 60 s. */
  readonly receiveTimeoutMs: number;
  /** Time for a client to take its answer, in ms; one that does not read must not hold its place for ever. Default 60 s. */
  readonly sendTimeoutMs: number;
  /** How long a client of a stream may send nothing, or read nothing, in ms. Default 5 min. */
  readonly streamIdleTimeoutMs: number;
  /** How often the time for heads is checked, in ms. Default 2 s. */
  readonly checkIntervalMs: number;
  /** How long a connection may be idle, in ms. Default 75 s: longer than load balancers keep theirs (60 s). */
  readonly keepAliveTimeoutMs: number;
  /**
   * How old a connection gets before its client is asked to make another one, in ms, a tenth more or less; 0 is for ever.
   * So clients find replicas that were added. Default 5 min.
   */
  readonly maxAgeMs: number;
  /** Answers of at least so many bytes are compressed for clients that accept it; 0 compresses none. Default 1024. */
  readonly minCompressedBytes: number;
  /** How long the rest of a refused body is read, in ms, so that its sender sees the answer. Default 2 s. */
  readonly lingerMs: number;
  /** Whether requests of the plainest form are read without node's parser, at a fraction of its CPU. Default: true. */
  readonly usesFastPath: boolean;
}

/** Fills in defaults and checks. Throws RangeError for a limit that is not a whole number, or too small. */
export function completeHttpLimits(given: Partial<HttpLimits> = {}): HttpLimits {
  const maxBodyBytes = given.maxBodyBytes ?? 64 * 1024 * 1024;
  const limits: HttpLimits = {
    maxBodyBytes,
    maxBufferedBytes: 8 * maxBodyBytes,
    maxUnsentBytes: 4 * maxBodyBytes,
    maxConnections: 10_000,
    headersTimeoutMs: 10_000,
    receiveTimeoutMs: 60_000,
    sendTimeoutMs: 60_000,
    streamIdleTimeoutMs: 300_000,
    checkIntervalMs: 2_000,
    keepAliveTimeoutMs: 75_000,
    maxAgeMs: 300_000,
    minCompressedBytes: 1_024,
    lingerMs: 2_000,
    usesFastPath: true,
    ...given,
  };
  for (const [name, value] of Object.entries(limits)) {
    if (typeof value === "boolean") continue;
    const least = name === "minCompressedBytes" || name === "maxAgeMs" ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${name}: expected a whole number of at least ${least}, got ${value}`);
    }
  }
  return limits;
}
