import { ListEntry } from "../core/arrival-list.ts";
import type { ServableView } from "../core/servable.ts";
import { ServingError, type RefusalReason } from "../errors.ts";
import type { InferredTiming, RequestCode, RequestDetail } from "../monitoring/request-metrics.ts";
import type { InferenceRoute, WireRequest } from "../protocol/dialect.ts";
import { provenanceHeaders } from "../serving/provenance.ts";
import type { Deadline } from "../serving/deadline-queue.ts";
import type { RequestTerms } from "../serving/request-terms.ts";
import { requestIdFrom } from "../serving/request-id.ts";
import type { BodyAllowance } from "./request-body.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** One request for inference, from its head until its answer is written or cannot be. */
export class InferenceCall extends ListEntry implements TransportListener, WireRequest, RequestDetail {
  readonly transport: Transport;
  readonly route: InferenceRoute;
  readonly requestId: string;
  readonly carrier = "http";
  readonly isItem = false;
  readonly allowance: BodyAllowance;
  readonly startMs: number;
  readonly #onEnd: (call: InferenceCall, isWritten: boolean) => void;
  /** Aborts at the deadline, when the client goes away, or when the server stops; its reason is a ServingError. */
  readonly #controller = new AbortController();
  /** Decompressed. */
  body: Uint8Array = EMPTY;
  /** When nobody waits for the answer any more, of performance.now(), once that is known. */
  deadlineMs: number = Number.POSITIVE_INFINITY;
  /** When the call must be answered, once its clock runs. */
  deadline: Deadline | undefined;
  /** Runs instead, if the client waits no longer than that. */
  timer: NodeJS.Timeout | undefined;
  terms: RequestTerms = { timeoutMs: undefined, priority: undefined };
  /** The model asked for, once that is known. */
  model = "";
  /** The version that answers, once one was lent. */
  servable: Pick<ServableView, "id" | "digest"> | undefined;
  code: RequestCode = "OK";
  refusal: RefusalReason | undefined;
  inferred: InferredTiming | undefined;
  /** Whether it counts as in flight: its body has arrived, its answer is not written. */
  isAdmitted = false;
  #hasEnded = false;

  /** `onEnd` is called once. */
  constructor(
    transport: Transport,
    route: InferenceRoute,
    options: {
      readonly allowance: BodyAllowance;
      readonly onEnd: (call: InferenceCall, isWritten: boolean) => void;
    },
  ) {
    super();
    this.transport = transport;
    this.route = route;
    this.allowance = options.allowance;
    this.#onEnd = options.onEnd;
    this.startMs = performance.now();
    this.requestId = requestIdFrom(transport.header("x-request-id"));
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** A header for the dialect, which sees the body decompressed. Bound: dialects take it off its object. */
  readonly header = (name: string): string | undefined =>
    name === "content-encoding" ? undefined : this.transport.header(name);

  /** Headers of every answer to this call that tell which model and version answered. */
  get commonHeaders(): Readonly<Record<string, string>> {
    return this.servable === undefined ? NO_HEADERS : provenanceHeaders(this.servable);
  }

  /** Ends the call with an error, unless it has ended or was aborted before. */
  abort(reason: ServingError): void {
    if (!this.#controller.signal.aborted) this.#controller.abort(reason);
  }

  failReceiving(error: ServingError): void {
    this.abort(error);
  }

  end(isWritten: boolean): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (!isWritten) {
      this.code = "Cancelled";
      this.abort(new ServingError("Cancelled", "the client closed the connection"));
    }
    this.#onEnd(this, isWritten);
  }
}

const EMPTY = new Uint8Array(0);
const NO_HEADERS = Object.freeze({});
