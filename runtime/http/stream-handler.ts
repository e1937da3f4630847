import type { IncomingMessage, ServerResponse } from "node:http";
import { ServingError } from "../errors.ts";
import type { InferenceRoute } from "../protocol/dialect.ts";
import { csvRowReader } from "../protocol/stream/csv-row.ts";
import { readRow } from "../protocol/stream/row.ts";
import { errorItem, framingOf } from "../protocol/stream/item-framing.ts";
import { quoteName } from "../protocol/wording.ts";
import type { RequestCode, RequestDetail } from "../monitoring/request-metrics.ts";
import { contentCodingOf } from "./content-encoding.ts";
import type { InferTarget } from "../serving/infer-path.ts";
import { requestTermsOf } from "../serving/request-terms.ts";
import { requestIdFrom } from "../serving/request-id.ts";
import type { HandlerOptions, HttpLimits } from "./http-server-options.ts";
import type { Exchange } from "./inference-handler.ts";
import { BodyAllowance } from "./request-body.ts";
import { errorAnswer } from "./respond.ts";
import { answerBatch, type ReadLine } from "./stream-batch.ts";
import type { StreamContext } from "./stream-context.ts";
import { StreamExchange } from "./stream-exchange.ts";
import { answerStream } from "./stream-infer.ts";
import { answerUnread } from "./unread-body.ts";

const MEDIA_TYPES: ReadonlySet<string> = new Set([
  "application/x-ndjson",
  "application/jsonl",
  "application/json",
  "application/x-www-form-urlencoded",
]);
const CSV = "text/csv";

/** Answers exchanges that carry many requests: streams, and batches without end. */
export class StreamHandler {
  readonly #options: HandlerOptions;
  readonly #limits: HttpLimits;
  readonly #isLast: (request: IncomingMessage) => boolean;
  readonly #exchanges = new Map<ServerResponse, StreamExchange>();
  readonly #ending = new AbortController();

  /** `isLast` tells whether an answer whose head is written now closes its connection. */
  constructor(options: HandlerOptions, limits: HttpLimits, isLast: (request: IncomingMessage) => boolean) {
    this.#options = options;
    this.#limits = limits;
    this.#isLast = isLast;
  }

  /** Whether this response belongs to a stream, whose request may take as long as it likes. */
  has(response: ServerResponse): boolean {
    return this.#exchanges.has(response);
  }

  /** Answers an exchange, whatever happens; never throws. {@link end} must be called when the response is closed. */
  handle(exchange: Exchange, route: InferenceRoute): void {
    void this.#run(exchange, route);
  }

  /** The response is written, or its connection closed. Idempotent. */
  end(response: ServerResponse): void {
    const exchange = this.#exchanges.get(response);
    this.#exchanges.delete(response);
    exchange?.abort(new ServingError("Cancelled", "the client closed the connection"));
  }

  /** Lets batches end where they are, for another replica to go on with; streams go on. */
  beginDrain(): void {
    this.#ending.abort(new ServingError("Unavailable", "the replica stops"));
  }

  /** Ends all exchanges. */
  abortAll(reason: ServingError): void {
    for (const exchange of this.#exchanges.values()) exchange.abort(reason);
  }

  async #run(exchange: Exchange, route: InferenceRoute): Promise<void> {
    const startMs = performance.now();
    const requestId = requestIdFrom(exchange.request.headers["x-request-id"]);
    using stream = this.#options.path.openStream();
    let begun: { readonly context: StreamContext; readonly firstRow: number } | undefined;
    try {
      const admission = this.#admission(route);
      if (admission !== undefined) await admission;
      begun = this.#begin(exchange, route, stream, requestId);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      this.#noteRefusal(route, error, detailOf(exchange, requestId, startMs));
      const answer = errorAnswer(error, { "x-request-id": requestId }, route.dialect.writeError);
      const options = {
        isLast: this.#isLast(exchange.request),
        lingerMs: this.#limits.lingerMs,
        expectsContinue: exchange.expectsContinue,
      };
      await answerUnread(exchange, answer, options);
      return;
    }
    const { context, firstRow } = begun;
    const { allowance } = context;
    let code: RequestCode = "OK";
    try {
      if (route.mode === "batch") await answerBatch(context, firstRow, rowReaderOf(context));
      else await answerStream(context);
      await context.exchange.end();
    } catch (thrown) {
      const error = ServingError.from(thrown);
      ({ code } = error);
      await context.exchange.end(error.code === "Cancelled" ? undefined : context.framing.frame(errorItem(error)));
    } finally {
      allowance.end();
      const { model, dialect, mode } = route;
      this.#options.metrics.observeStream?.({
        model: model ?? context.servable.id.name,
        version: context.servable.id.version,
        protocol: protocolOf(dialect.name, mode),
        code,
        durationMs: performance.now() - startMs,
        items: context.sums.items,
        detail: detailOf(exchange, requestId, startMs),
      });
    }
  }

  /** A stream that does not begin is counted as one request. */
  #noteRefusal({ model = "", dialect, mode }: InferenceRoute, error: ServingError, detail: RequestDetail): void {
    const { requestId, startMs } = detail;
    const { code, refusal } = error;
    this.#options.metrics.observeRequest({
      model,
      version: undefined,
      protocol: protocolOf(dialect.name, mode),
      code,
      refusal,
      durationMs: performance.now() - startMs,
      detail,
    });
    if (error.code !== "Internal") return;
    this.#options.logger.error({ requestId, model: quoteName(model), err: error.cause ?? error }, "request failed");
  }

  /** What a stream has to wait for before its version can be chosen; undefined: nothing. */
  #admission(route: InferenceRoute): Promise<void> | undefined {
    // Nobody is held for long.
    return this.#options.path.admit(targetOf(route), new AbortController().signal);
  }

  /** Checks what can be checked before the body is read, and sends the head. Throws ServingError. */
  #begin(
    exchange: Exchange,
    route: InferenceRoute,
    stream: StreamContext["stream"],
    requestId: string,
  ): { context: StreamContext; firstRow: number } {
    const { headers, url = "" } = exchange.request;
    const isRows = route.mode === "batch";
    checkHead(headers["content-type"], headers["content-encoding"], isRows);
    const firstRow = isRows ? offsetOf(url) : 0;
    const { priority } = requestTermsOf((name) => textOf(headers[name]));
    const target = targetOf(route);
    const servable = stream.lend(target);
    const { lingerMs, sendTimeoutMs, streamIdleTimeoutMs: idleTimeoutMs } = this.#limits;
    const streamed = new StreamExchange(exchange, {
      idleTimeoutMs,
      sendTimeoutMs,
      lingerMs,
      unsent: this.#options.unsent,
    });
    this.#exchanges.set(exchange.response, streamed);
    const framing = framingOf(headers.accept);
    streamed.begin(framing, {
      "x-request-id": requestId,
      "x-lockstep-model-name": servable.id.name,
      "x-lockstep-model-version": String(servable.id.version),
      "x-lockstep-model-digest": servable.digest,
      ...(this.#isLast(exchange.request) && { connection: "close" }),
    });
    const options = this.#options;
    const limits = this.#limits;
    const allowance = new BodyAllowance(options.budget, limits.maxBodyBytes);
    const context = {
      exchange: streamed,
      allowance,
      options,
      limits,
      route,
      target,
      framing,
      stream,
      servable,
      priority,
    };
    return { context: { ...context, ending: this.#ending.signal, sums: { items: 0 } }, firstRow };
  }
}

function protocolOf(dialect: string, mode: InferenceRoute["mode"]): string {
  return `${dialect}-${mode === "batch" ? "batch" : "stream"}`;
}

function detailOf({ request }: Exchange, requestId: string, startMs: number): RequestDetail {
  return {
    requestId,
    startMs,
    carrier: "http",
    isItem: false,
    inferred: undefined,
    header: (name) => textOf(request.headers[name]),
  };
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

function targetOf({ model = "", version, label }: InferenceRoute): InferTarget {
  return { model, version, label };
}

function rowReaderOf({ exchange, servable }: StreamContext): ReadLine {
  return mediaTypeOf(exchange.request.headers["content-type"]) === CSV ? csvRowReader(servable) : readRow;
}

function mediaTypeOf(header: string | undefined): string {
  return header?.toLowerCase().split(";", 1)[0]?.trim() ?? "";
}

function checkHead(type: string | undefined, encoding: string | undefined, isRows: boolean): void {
  const media = mediaTypeOf(type);
  if (media !== "" && !MEDIA_TYPES.has(media) && !(isRows && media === CSV)) {
    const expected = isRows ? "application/x-ndjson or text/csv, a row" : "application/x-ndjson, a request";
    throw new ServingError("UnsupportedMediaType", `Content-Type: expected ${expected} on each line, got another`);
  }
  contentCodingOf(encoding);
}

/** The number of the first row to answer: `?offset=N`, by default 0. */
function offsetOf(target: string): number {
  const query = new URLSearchParams(target.split("?", 2)[1] ?? "");
  const text = query.get("offset");
  if (text === null) return 0;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new ServingError("InvalidArgument", "offset: expected the number of a row, 0 or greater, got another");
}
