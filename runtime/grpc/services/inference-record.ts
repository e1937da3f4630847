import type { ServableView } from "../../core/servable.ts";
import { ServingError, type RefusalReason } from "../../errors.ts";
import type { RequestCode } from "../../monitoring/request-metrics.ts";
import type { ServiceOptions } from "./service-options.ts";

/** A request for inference, counted while it is worked on and when it has ended. */
export class InferenceRecord {
  readonly #options: Pick<ServiceOptions, "admission" | "metrics">;
  readonly #protocol: string;
  readonly #startMs: number;
  #isAdmitted = false;
  #hasEnded = false;
  /** As the client wrote it. */
  model = "";
  /** The version that answers, once one was lent. */
  servable: Pick<ServableView, "id"> | undefined;

  /** `protocol` is for metrics: one of a fixed few. */
  constructor(options: Pick<ServiceOptions, "admission" | "metrics">, protocol: string, startMs: number) {
    this.#options = options;
    this.#protocol = protocol;
    this.#startMs = startMs;
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
      durationMs: performance.now() - this.#startMs,
    });
  }
}
