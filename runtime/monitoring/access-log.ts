import type { Logger } from "../../common/logger.ts";
import { ERROR_CODES } from "../errors.ts";
import { LineBudget } from "./line-budget.ts";
import type { RequestObservation, StreamObservation } from "./request-metrics.ts";

/** Lines of failures that are logged at once, and each second. */
const FAILURES = { burst: 20, perSecond: 2 };

export interface AccessLogOptions {
  readonly logger: Logger;
  /** Of 100 requests, so many have a line. */
  readonly percent: number;
  /** Gives numbers from 0 to 1. */
  readonly random: () => number;
}

/**
 * A line for each of some requests, whatever their outcome; and, within bounds, for every one that the server could not answer.
 * Of a fault of ours, whoever has met it logs its cause under the same id, so that it has no second line here.
 */
export class AccessLog {
  readonly #options: AccessLogOptions;
  readonly #failures = new LineBudget(FAILURES);

  constructor(options: AccessLogOptions) {
    this.#options = options;
  }

  observe(request: RequestObservation, traceId: string | undefined): void {
    const { logger, percent, random } = this.#options;
    if (percent > 0 && random() * 100 < percent) {
      logger.info(fieldsOf(request, traceId), "request");
      return;
    }
    const { code } = request;
    if (code === "OK" || code === "Internal" || ERROR_CODES[code].http < 500) return;
    const suppressed = this.#failures.take(performance.now());
    if (suppressed === undefined) return;
    logger.warn({ ...fieldsOf(request, traceId), ...(suppressed > 0 && { suppressed }) }, "request not answered");
  }

  observeStream(stream: StreamObservation, traceId: string | undefined): void {
    const { logger, percent, random } = this.#options;
    if (percent === 0 || random() * 100 >= percent) return;
    logger.info({ ...fieldsOf(stream, traceId), items: stream.items }, "stream");
  }
}

function fieldsOf(request: RequestObservation, traceId: string | undefined): Readonly<Record<string, unknown>> {
  const { model, version, protocol, code, durationMs, detail } = request;
  const timing = detail?.inferred?.timing;
  return {
    ...(detail !== undefined && { requestId: detail.requestId }),
    // Names that no model has are the client's words.
    ...(version !== undefined && { model, version }),
    protocol,
    code,
    durationMs: rounded(durationMs),
    ...(timing !== undefined && {
      queueMs: rounded(timing.queueMs),
      computeMs: rounded(timing.computeMs),
      batchSize: timing.batchSize,
    }),
    ...(traceId !== undefined && { traceId }),
  };
}

/** To microseconds. */
function rounded(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
