import { ServingError } from "../../errors.ts";
import type { ServableView } from "../../core/servable.ts";
import type { Tensor } from "../../core/tensor.ts";
import type { RequestTiming } from "../../serving/infer-path.ts";
import type { InferenceTap, TapContext, TappedRequest } from "../../serving/inference-tap.ts";
import { detachedText, requestIdFrom } from "../../serving/request-id.ts";
import {
  copiedBytesOf,
  copyTensors,
  PAYLOAD_OVERHEAD_BYTES,
  type DropReason,
  type LoggedTensor,
  type Payload,
} from "./payload.ts";
import type { PayloadBudget } from "./payload-budget.ts";

/** What a tap is told, and where its payloads go. */
export interface PayloadTapOptions {
  readonly mode: "all" | "request" | "response";
  /** Of requests, so many in a hundred. */
  readonly percent: number;
  readonly redact: readonly string[];
  readonly budget: PayloadBudget;
  /** Takes a payload that has room in the budget. */
  readonly offer: (payload: Payload) => void;
  readonly onDropped: (reason: DropReason) => void;
  /** From 0 up to 1. */
  readonly random: () => number;
  /** In ms since 1970. */
  readonly now: () => number;
  /** In ms, monotonic. */
  readonly elapsed: () => number;
}

/** Copies the requests and answers that are to be logged, while there is room for them. */
export class PayloadTap implements InferenceTap {
  readonly #options: PayloadTapOptions;
  readonly #share: number;
  readonly #redacted: ReadonlySet<string>;

  constructor(options: PayloadTapOptions) {
    this.#options = options;
    this.#share = options.percent / 100;
    this.#redacted = new Set(options.redact);
  }

  begin(servable: ServableView, inputs: readonly Tensor[], context: TapContext): TappedRequest | undefined {
    const { mode, random } = this.#options;
    if (random() >= this.#share) return undefined;
    const withInputs = mode !== "response";
    const copiedBytes = PAYLOAD_OVERHEAD_BYTES + (withInputs ? copiedBytesOf(inputs, this.#redacted) : 0);
    if (!this.#take(copiedBytes)) return undefined;
    return new TappedPayload(this.#options, this.#redacted, {
      servable,
      context,
      inputs: withInputs ? copyTensors(inputs, this.#redacted) : undefined,
      copiedBytes,
    });
  }

  #take(sizeBytes: number): boolean {
    const { budget, onDropped } = this.#options;
    if (budget.takeCopied(sizeBytes)) return true;
    onDropped(budget.fitsCopied(sizeBytes) ? "queue" : "too-large");
    return false;
  }
}

interface Begun {
  readonly servable: ServableView;
  readonly context: TapContext;
  readonly inputs: readonly LoggedTensor[] | undefined;
  readonly copiedBytes: number;
}

class TappedPayload implements TappedRequest {
  readonly #options: PayloadTapOptions;
  readonly #redacted: ReadonlySet<string>;
  readonly #begun: Begun;
  readonly #startedAtMs: number;
  readonly #startMs: number;

  constructor(options: PayloadTapOptions, redacted: ReadonlySet<string>, begun: Begun) {
    this.#options = options;
    this.#redacted = redacted;
    this.#begun = begun;
    this.#startedAtMs = options.now();
    this.#startMs = options.elapsed();
  }

  answered(outputs: readonly Tensor[], timing: RequestTiming): void {
    const { mode, budget, onDropped } = this.#options;
    if (mode === "request") return this.#end("OK", timing, undefined, 0);
    const sizeBytes = copiedBytesOf(outputs, this.#redacted);
    if (budget.takeCopied(sizeBytes)) {
      this.#end("OK", timing, copyTensors(outputs, this.#redacted), sizeBytes);
      return;
    }
    budget.giveBackCopied(this.#begun.copiedBytes);
    onDropped(budget.fitsCopied(sizeBytes + this.#begun.copiedBytes) ? "queue" : "too-large");
  }

  failed(error: unknown): void {
    this.#end(ServingError.from(error).code, undefined, undefined, 0);
  }

  #end(
    code: Payload["head"]["code"],
    timing: RequestTiming | undefined,
    outputs: readonly LoggedTensor[] | undefined,
    outputBytes: number,
  ): void {
    const { servable, context, inputs, copiedBytes } = this.#begun;
    const { clientId } = context;
    const ownId = context.requestId === "" ? clientId : context.requestId;
    this.#options.offer({
      head: {
        id: detachedText(requestIdFrom(ownId)),
        clientId: clientId === undefined ? undefined : detachedText(clientId),
        startedAtMs: this.#startedAtMs,
        model: servable.id.name,
        version: servable.id.version,
        digest: servable.digest,
        code,
        totalMs: this.#options.elapsed() - this.#startMs + (timing?.decodeMs ?? 0),
        timing,
      },
      inputs,
      outputs,
      copiedBytes: copiedBytes + outputBytes,
    });
  }
}
