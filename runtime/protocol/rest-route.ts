import type { Protocol } from "../../common/runtime-config.ts";
import type { Servables } from "../core/servable.ts";
import type { ServingError } from "../errors.ts";
import type { ModelStatisticsReader } from "../monitoring/model-statistics.ts";
import type { WireAnswer } from "./dialect.ts";
import type { FeedbackTaker } from "./v2/feedback-route.ts";

/** What routes that are not inference may look at. */
export interface RestContext {
  readonly servables: Servables;
  readonly statistics: ModelStatisticsReader;
  /** Whether every model answers; false while the replica drains, too. */
  readonly isReady: () => boolean;
  /** Whether the replica is about to stop: then nothing is ready. */
  readonly isDraining: () => boolean;
  /** Release of this program. */
  readonly release: string;
  /** Protocols that are switched on. */
  readonly protocols: ReadonlySet<Protocol>;
  /** Undefined where nobody takes outcomes of predictions. */
  readonly feedback?: FeedbackTaker | undefined;
}

/** A request for such a route. */
export interface RestRequest {
  /** The path's variables, percent-decoded; they may be anything. */
  readonly params: Readonly<Record<string, string>>;
  /** Decompressed; empty where there is none. */
  readonly body: Uint8Array;
  /** The header Accept. */
  readonly accept?: string | undefined;
}

/** An answer to a call that is not inference. */
export interface RestAnswer extends WireAnswer {
  readonly status: number;
}

/** A call that is not inference: metadata, health, repository. Described apart from any web framework. */
export interface RestRoute {
  readonly protocol: Protocol;
  readonly method: "GET" | "POST";
  /** Segments that start with a colon are variables: `/v2/models/:model/ready`. */
  readonly path: string;
  /** Throws ServingError. */
  readonly answer: (request: RestRequest, context: RestContext) => RestAnswer | Promise<RestAnswer>;
  /** Writes the body of an error's answer. Default: `{"error": message}`. */
  readonly writeError?: (error: ServingError) => WireAnswer;
}
