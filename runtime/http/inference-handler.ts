import type { IncomingMessage, ServerResponse } from "node:http";
import { ArrivalList } from "../core/arrival-list.ts";
import { ServingError } from "../errors.ts";
import { deadlineOf, requestTermsOf } from "../serving/request-terms.ts";
import type { BodyBudget } from "../serving/body-budget.ts";
import type { InferenceRoute, WireAnswer } from "../protocol/dialect.ts";
import { quoteName, quoteNames } from "../protocol/wording.ts";
import type { RequestTiming } from "../serving/infer-path.ts";
import { serverTiming, TIMING_REQUEST_HEADER } from "../serving/provenance.ts";
import { acceptedCoding, compressAnswer, contentCodingOf, decompress } from "./content-encoding.ts";
import { DeadlineQueue } from "../serving/deadline-queue.ts";
import { checkHeaders } from "./header-text.ts";
import type { HandlerOptions, HttpLimits } from "./http-server-options.ts";
import { InferenceCall } from "./inference-call.ts";
import { BodyAllowance } from "./request-body.ts";
import { checkLength } from "./request-head.ts";
import { bodySizeBytes, errorAnswer, type Answer } from "./respond.ts";
import type { Transport, TransportListener } from "./transport.ts";

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
  readonly #options: HandlerOptions;
  readonly #limits: HttpLimits;
  readonly #budget: BodyBudget;
  readonly #calls = new ArrivalList<InferenceCall>();
  readonly #deadlines: DeadlineQueue<InferenceCall>;
  readonly #onEnd = (call: InferenceCall): void => this.#end(call);

  constructor(options: HandlerOptions, limits: HttpLimits) {
    this.#options = options;
    this.#limits = limits;
    this.#budget = options.budget;
    const { requestTimeoutMs } = options;
    this.#deadlines = new DeadlineQueue(requestTimeoutMs, (call) => {
      call.abort(noAnswerWithin(requestTimeoutMs));
    });
  }

  /** Aborts all calls. */
  abortAll(reason: ServingError): void {
    for (const call of this.#calls) call.abort(reason);
  }

  /** Answers a request, whatever happens; never throws. Who is returned must be told what becomes of the transport. */
  handle(transport: Transport, route: InferenceRoute): TransportListener {
    const allowance = new BodyAllowance(this.#budget, this.#limits.maxBodyBytes);
    const call = new InferenceCall(transport, route, { allowance, onEnd: this.#onEnd });
    this.#calls.push(call);
    void this.#run(call);
    return call;
  }

  #end(call: InferenceCall): void {
    this.#calls.remove(call);
    this.#stopClock(call);
    call.allowance.end();
    if (call.isAdmitted) this.#options.admission.leave();
    const { dialect } = call.route;
    this.#options.metrics.observeRequest({
      model: call.model,
      version: call.servable?.id.version,
      protocol: dialect.nameOf?.(call) ?? dialect.name,
      code: call.code,
      refusal: call.refusal,
      durationMs: performance.now() - call.startMs,
      detail: call,
    });
  }

  #stopClock(call: InferenceCall): void {
    if (call.deadline !== undefined) this.#deadlines.remove(call.deadline);
    clearTimeout(call.timer);
  }

  async #run(call: InferenceCall): Promise<void> {
    try {
      const answer = await this.#answer(call);
      this.#stopClock(call);
      call.transport.send(answer);
    } catch (thrown) {
      const error = ServingError.from(thrown);
      call.code = error.code;
      call.refusal = error.refusal;
      this.#stopClock(call);
      this.#log(call, error);
      const answer = errorAnswer(error, { "x-request-id": call.requestId }, call.route.dialect.writeError);
      call.transport.send({ ...answer, commonHeaders: call.commonHeaders });
    }
  }

  async #answer(call: InferenceCall): Promise<Answer> {
    const { route, transport, signal } = call;
    call.model = this.#resolveModel(call);
    const { path, admission } = this.#options;
    const target = { model: call.model, version: route.version, label: route.label };
    // Before the body is read: whoever asks for what is not there, or cannot be done, should not have to send it, and
    // those that are too many should cost as little as possible.
    call.terms = requestTermsOf(call.header);
    const { priority } = call.terms;
    path.check(target, { priority, deadlineMs: this.#deadlineOf(call) });
    admission.check();
    const coding = contentCodingOf(transport.header("content-encoding"));
    route.dialect.checkHead(call);
    checkLength(transport.contentLength, this.#limits.maxBodyBytes);
    const received = transport.receive(call.allowance, signal);
    const body = received instanceof Uint8Array ? received : await received;
    call.body = coding === undefined ? body : await decompress(body, coding, call.allowance, signal);
    this.#admit(call);
    const inferred = await path.infer(target, (servable) => route.dialect.prepare(call, servable), {
      signal,
      requestId: call.requestId,
      priority,
      deadlineMs: call.deadlineMs,
      onServable: (servable) => {
        call.servable = servable;
      },
    });
    const { answer, timing } = inferred;
    call.inferred = inferred;
    checkHeaders(answer);
    return this.#finish(call, {
      status: 200,
      body: answer.body,
      ...(answer.contentType !== undefined && { contentType: answer.contentType }),
      headers: this.#headers(call, answer.headers, timing),
      commonHeaders: call.commonHeaders,
    });
  }

  /** Slow senders must not take the places of those that can be answered: only a whole request takes one. */
  #admit(call: InferenceCall): void {
    call.signal.throwIfAborted();
    this.#options.admission.enter();
    call.isAdmitted = true;
    const nowMs = performance.now();
    const { timeoutMs } = call.terms;
    call.deadlineMs = this.#deadlineOf(call, nowMs);
    const leftMs = call.deadlineMs - nowMs;
    // Most clients say nothing: for them one timer does.
    if (timeoutMs === undefined || leftMs >= this.#options.requestTimeoutMs) {
      call.deadline = this.#deadlines.add(call, nowMs);
    } else {
      call.timer = setTimeout(() => call.abort(noAnswerWithin(timeoutMs)), Math.max(0, leftMs));
    }
  }

  /** When nobody waits for the answer any more, if all of the request is there now. */
  #deadlineOf({ terms, startMs }: InferenceCall, nowMs: number = performance.now()): number {
    return deadlineOf(terms, { startMs, nowMs, requestTimeoutMs: this.#options.requestTimeoutMs });
  }

  #headers(
    call: InferenceCall,
    ofDialect: WireAnswer["headers"],
    timing: RequestTiming,
  ): NonNullable<Answer["headers"]> {
    const headers: Record<string, string> = { ...ofDialect, "x-request-id": call.requestId };
    const wantsTiming = call.transport.header(TIMING_REQUEST_HEADER);
    if (wantsTiming !== undefined && wantsTiming !== "0") headers["server-timing"] = serverTiming(timing);
    return headers;
  }

  /** Compresses an answer that is worth it, for a client that asks for it. */
  #finish(call: InferenceCall, answer: Answer): Answer | Promise<Answer> {
    const { minCompressedBytes } = this.#limits;
    if (minCompressedBytes === 0 || bodySizeBytes(answer.body) < minCompressedBytes) return answer;
    const varying = { ...answer, headers: { ...answer.headers, vary: "accept-encoding" } };
    const coding = acceptedCoding(call.transport.header("accept-encoding"));
    return coding === undefined ? varying : compressAnswer(varying, coding);
  }

  #resolveModel(call: InferenceCall): string {
    const { model, dialect } = call.route;
    if (model !== undefined) return model;
    const names = this.#options.servables.models().map(({ name }) => name);
    const [only] = names;
    if (only !== undefined && names.length === 1) return only;
    if (dialect.modelOf !== undefined) return dialect.modelOf(call, names);
    throw new ServingError(
      "InvalidArgument",
      `path: expected /predict/{model}, with one of ${quoteNames(names)}, got none`,
    );
  }

  #log(call: InferenceCall, error: ServingError): void {
    if (error.code !== "Internal") return;
    const { requestId, servable } = call;
    this.#options.logger.error(
      { requestId, model: quoteName(call.model), version: servable?.id.version, err: error.cause ?? error },
      "request failed",
    );
  }
}

function noAnswerWithin(timeoutMs: number): ServingError {
  return new ServingError("DeadlineExceeded", `answer: expected within ${timeoutMs} ms, got none`);
}
