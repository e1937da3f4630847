import type { ServableView } from "../../core/servable.ts";
import { ServingError, type RefusalReason } from "../../errors.ts";
import type { InferredTiming, RequestCode, RequestDetail } from "../../monitoring/request-metrics.ts";
import type { CallContext } from "../server/method.ts";
import type { ServiceOptions } from "./service-options.ts";

/** Where requests are counted. */
type RecordOptions = Pick<ServiceOptions, "admission" | "metrics">;

/** What is known of a request from its start. */
interface RequestOrigin {
  readonly requestId: string;
  /** Of performance.now(). */
  readonly startMs: number;
  /** Whether it is one of many in a stream. Default: not. */
  readonly isItem?: boolean;
  header(name: string): string | undefined;
}

/** Counts a call that is one request for inference: from its start, so that also those count that cannot be read. */
export function recordOf(options: RecordOptions, protocol: string, call: CallContext): InferenceRecord {
  const record = new InferenceRecord(options, protocol, call);
  call.onOver((code, refusal) => record.end(code, refusal));
  return record;
}

/** A request for inference, counted while it is worked on and when it has ended. */
export class InferenceRecord implements RequestDetail {
  readonly carrier = "grpc";
  readonly isItem: boolean;
  readonly #options: RecordOptions;
  readonly #protocol: string;
  readonly #origin: RequestOrigin;
  #isAdmitted = false;
  #hasEnded = false;
  /** As the client wrote it. */
  model = "";
  /** The version that answers, once one was lent. */
  servable: Pick<ServableView, "id"> | undefined;
  inferred: InferredTiming | undefined;

  /** `protocol` is for metrics: one of a fixed few. */
  constructor(options: RecordOptions, protocol: string, origin: RequestOrigin) {
    this.#options = options;
    this.#protocol = protocol;
    this.#origin = origin;
    this.isItem = origin.isItem ?? false;
  }

  get requestId(): string {
    return this.#origin.requestId;
  }

  get startMs(): number {
    return this.#origin.startMs;
  }

  header(name: string): string | undefined {
    return this.#origin.header(name);
  }

  /** Takes one of the places that all protocols share. Throws ServingError (ResourceExhausted). */
  admit(): void {
    if (this.#hasEnded) throw new ServingError("Cancelled", "the client went away");
    this.#options.admission.enter();
    this.#isAdmitted = true;
  }

  /** The request has ended, well or not. Idempotent. */
  end(code: RequestCode, refusal?: RefusalReason): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    if (this.#isAdmitted) this.#options.admission.leave();
    this.#options.metrics.observeRequest({
      model: this.model,
      version: this.servable?.id.version,
      protocol: this.#protocol,
      code,
      refusal,
      durationMs: performance.now() - this.startMs,
      detail: this,
    });
  }
}
