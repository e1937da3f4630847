import { ServingError } from "../errors.ts";
import type { InferenceRoute } from "../protocol/dialect.ts";
import type { HttpLimits, HttpServerOptions } from "./http-server-options.ts";
import type { Exchange } from "./inference-handler.ts";
import { requestIdOf } from "./request-head.ts";
import { errorAnswer } from "./respond.ts";
import { answerUnread } from "./unread-body.ts";

/** Answers exchanges that carry many requests: streams, and batches without end. */
export class StreamHandler {
  readonly #limits: HttpLimits;
  readonly #isDraining: () => boolean;

  constructor(_options: HttpServerOptions, limits: HttpLimits, isDraining: () => boolean) {
    this.#limits = limits;
    this.#isDraining = isDraining;
  }

  /** Answers an exchange, whatever happens; never throws. {@link end} must be called when the response is closed. */
  handle({ request, response, expectsContinue }: Exchange, _route: InferenceRoute): void {
    const error = new ServingError("Unimplemented", "path: expected an inference of one request, got a stream");
    const answer = errorAnswer(error, { "x-request-id": requestIdOf(request.headers) });
    const options = { isLast: this.#isDraining(), lingerMs: this.#limits.lingerMs, expectsContinue };
    void answerUnread({ request, response }, answer, options);
  }

  /** The response is written, or its connection closed. Idempotent. */
  end(_response: Exchange["response"]): void {
    // Nothing is kept of exchanges that are refused.
  }

  /** Aborts all exchanges. */
  abortAll(_reason: ServingError): void {
    // There are none.
  }
}
