import type { Protocol } from "../../../common/runtime-config.ts";
import type { Servables } from "../../core/servable.ts";
import type { ModelStatisticsReader } from "../../monitoring/model-statistics.ts";
import type { RequestMetrics } from "../../monitoring/request-metrics.ts";
import type { Admission } from "../../serving/admission.ts";
import type { InferPath } from "../../serving/infer-path.ts";

/** What the services need of the rest of the replica. */
export interface ServiceOptions {
  readonly servables: Servables;
  readonly path: InferPath;
  /** Shared with the servers of other protocols. */
  readonly admission: Admission;
  readonly statistics: ModelStatisticsReader;
  /** Protocols that are switched on. */
  readonly protocols: ReadonlySet<Protocol>;
  readonly metrics: RequestMetrics;
  /** Release of this program. */
  readonly version: string;
  /** Time for an answer once a request has arrived, in ms. */
  readonly requestTimeoutMs: number;
}
