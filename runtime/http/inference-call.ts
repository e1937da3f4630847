import type { IncomingMessage, ServerResponse } from "node:http";
import type { RequestCode } from "../monitoring/request-metrics.ts";
import type { ServingError } from "../errors.ts";
import { CallSignal } from "./call-signal.ts";
import type { InferenceRoute } from "../protocol/dialect.ts";

/** One request for inference, from its head until its answer is written or cannot be. */
export class InferenceCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly route: InferenceRoute;
  readonly requestId: string;
  readonly signal: CallSignal = new CallSignal();
  readonly startMs: number = performance.now();
  /** Whether the client waits for `100 Continue` before it sends the body. */
  expectsContinue: boolean;
  /** The model asked for, once that is known. */
  model = "";
  /** The version that answers, once one was lent. */
  version: number | undefined;
  code: RequestCode = "OK";
  /** Whether it counts as in flight: its body has arrived, its answer is not written. */
  isAdmitted = false;
  hasEnded = false;
  /** Bytes of the body that count against the budget. */
  bufferedBytes = 0;
  /** Whether the rest of the body cannot be read, because it came too late or is no HTTP. */
  isBroken = false;

  constructor(
    exchange: {
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
      readonly expectsContinue: boolean;
    },
    route: InferenceRoute,
    requestId: string,
  ) {
    this.request = exchange.request;
    this.response = exchange.response;
    this.expectsContinue = exchange.expectsContinue;
    this.route = route;
    this.requestId = requestId;
  }

  /** A header of the request by its lower-case name. */
  readonly header = (name: string): string | undefined => {
    const value = this.request.headers[name];
    return typeof value === "string" ? value : undefined;
  };

  /** Headers of every answer to this call. */
  headers(): Record<string, string> {
    const headers: Record<string, string> = { "x-request-id": this.requestId };
    if (this.version !== undefined) headers["x-lockstep-model-version"] = String(this.version);
    return headers;
  }

  /** The connection failed under the request: ends the call if the request was still arriving. False if it was not. */
  failReceiving(error: ServingError): boolean {
    if (this.request.complete || this.response.headersSent) return false;
    this.isBroken = true;
    this.signal.abort(error);
    return true;
  }
}
