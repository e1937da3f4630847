import type { IncomingMessage, ServerResponse } from "node:http";
import { ServingError } from "../errors.ts";
import type { InferenceRoute, WireAnswer } from "../protocol/dialect.ts";
import { quoteName, quoteNames } from "../protocol/wording.ts";
import type { HttpLimits, HttpServerOptions } from "./http-server-options.ts";
import { InferenceCall } from "./inference-call.ts";
import { BodyBudget, readBody } from "./request-body.ts";
import { checkLength, requestIdOf } from "./request-head.ts";
import { errorAnswer, sendAnswer } from "./respond.ts";
import { answerUnread } from "./unread-body.ts";

/** A request and what is to become its answer. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
}

/**
 * Answers requests for inference. Bodies are decoded and answers encoded on the thread of the event loop: some 10 ns for
 * each number, so that only bodies of several MB delay others noticeably; the model runs elsewhere.
 */
export class InferenceHandler {
  readonly #options: HttpServerOptions;
  readonly #limits: HttpLimits;
  readonly #isDraining: () => boolean;
  readonly #budget: BodyBudget;
  readonly #calls = new Map<ServerResponse, InferenceCall>();

  constructor(options: HttpServerOptions, limits: HttpLimits, isDraining: () => boolean) {
    this.#options = options;
    this.#limits = limits;
    this.#isDraining = isDraining;
    this.#budget = new BodyBudget(limits.maxBufferedBytes);
  }

  /** The call that this response belongs to, until it has ended. */
  callOf(response: ServerResponse): InferenceCall | undefined {
    return this.#calls.get(response);
  }

  /** Aborts all calls. */
  abortAll(reason: ServingError): void {
    for (const call of this.#calls.values()) call.signal.abort(reason);
  }

  /** Answers a request, whatever happens; never throws. {@link end} must be called when the response is closed. */
  handle(exchange: Exchange, route: InferenceRoute): void {
    const call = new InferenceCall(exchange, route, requestIdOf(exchange.request.headers));
    this.#calls.set(call.response, call);
    void this.#run(call);
  }

  /** The response is written, or its connection closed. Idempotent. */
  end(response: ServerResponse): void {
    const call = this.#calls.get(response);
    if (call === undefined) return;
    this.#calls.delete(response);
    if (!response.writableFinished) {
      call.code = "Cancelled";
      call.signal.abort(new ServingError("Cancelled", "the client closed the connection"));
    }
    call.signal.end();
    this.#budget.giveBack(call.bufferedBytes);
    if (call.isAdmitted) this.#options.admission.leave();
    this.#options.metrics.observeRequest({
      model: call.model,
      version: call.version,
      protocol: call.route.dialect.name,
      code: call.code,
      durationMs: performance.now() - call.startMs,
    });
  }

  async #run(call: InferenceCall): Promise<void> {
    try {
      const { headers, ...answer } = await this.#answer(call);
      call.signal.end();
      const all = { ...headers, ...call.headers() };
      sendAnswer(call.response, { ...answer, status: 200, headers: all }, { isLast: this.#isDraining() });
    } catch (thrown) {
      const error = ServingError.from(thrown);
      call.code = error.code;
      this.#log(call, error);
      await answerUnread(call, errorAnswer(error, call.headers(), call.route.dialect.writeError), {
        isLast: this.#isDraining(),
        lingerMs: call.isBroken ? 0 : this.#limits.lingerMs,
        expectsContinue: call.expectsContinue,
      });
    }
  }

  async #answer(call: InferenceCall): Promise<WireAnswer> {
    const { route, signal } = call;
    call.model = this.#resolveModel(route);
    const { path, admission } = this.#options;
    const target = { model: call.model, version: route.version, label: route.label };
    // Before the body is read: whoever asks for what is not there, or cannot be done, should not have to send it.
    path.acquire(target)[Symbol.dispose]();
    admission.check();
    const body = await this.#receive(call);
    this.#admit(call);
    signal.startDeadline(this.#options.requestTimeoutMs);
    const wire = { body, header: call.header };
    const { answer } = await path.infer(target, (servable) => route.dialect.prepare(wire, servable), {
      signal: signal.signal,
      onServable: ({ id }) => {
        call.version = id.version;
      },
    });
    return answer;
  }

  /** Slow senders must not take the places of those that can be answered: only a whole request takes one. */
  #admit(call: InferenceCall): void {
    call.signal.signal.throwIfAborted();
    this.#options.admission.enter();
    call.isAdmitted = true;
  }

  #resolveModel({ model }: InferenceRoute): string {
    if (model !== undefined) return model;
    const names = this.#options.servables.models().map(({ name }) => name);
    const [only] = names;
    if (only !== undefined && names.length === 1) return only;
    throw new ServingError(
      "InvalidArgument",
      `path: expected /predict/{model}, with one of ${quoteNames(names)}, got none`,
    );
  }

  async #receive(call: InferenceCall): Promise<Buffer> {
    call.route.dialect.checkHead(call);
    checkLength(call.request.headers, this.#limits.maxBodyBytes);
    if (call.expectsContinue) {
      call.response.writeContinue();
      call.expectsContinue = false;
    }
    const limits = {
      maxBodyBytes: this.#limits.maxBodyBytes,
      budget: this.#budget,
      onTaken: (sizeBytes: number): void => {
        call.bufferedBytes += sizeBytes;
      },
    };
    return await readBody(call.request, limits, call.signal.signal);
  }

  #log(call: InferenceCall, error: ServingError): void {
    if (error.code !== "Internal") return;
    this.#options.logger.error(
      { requestId: call.requestId, model: quoteName(call.model), version: call.version, err: error.cause ?? error },
      "request failed",
    );
  }
}
