import { encodePayload, type EncodedPayload } from "./payload-encoder.ts";
import type { PayloadBudget } from "./payload-budget.ts";
import type { DropReason, Payload, PayloadObserver, PayloadSinkName } from "./payload.ts";
import { PayloadQueue } from "./payload-queue.ts";

/** For so long, in ms, payloads are encoded before requests have their turn again. */
const TURN_MS = 1;

/** What became of a payload at a sink. */
export type PayloadOutcome = "logged" | DropReason;

/** Takes payloads somewhere. */
export interface PayloadSink {
  readonly name: PayloadSinkName;
  /** Takes a payload; `settle` is called once, with what became of it. Never throws. */
  accept(payload: EncodedPayload, settle: (outcome: PayloadOutcome) => void): void;
  /** Sends what waits; when the signal aborts, whatever still waits is dropped. Resolves when nothing is left. Never rejects. */
  flush(signal: AbortSignal): Promise<void>;
}

/** What a pipeline works with. */
export interface PayloadPipelineOptions {
  /** At least one. */
  readonly sinks: readonly PayloadSink[];
  readonly budget: PayloadBudget;
  /** Whether answers are logged. */
  readonly wantsResponse: boolean;
  readonly observer: PayloadObserver;
  /** Calls when others have had their turn. */
  readonly afterTurn: (work: () => void) => void;
  /** In ms, monotonic. */
  readonly elapsed: () => number;
}

interface Encoding {
  readonly payload: Payload;
  readonly steps: ReturnType<typeof encodePayload>;
  /** Memory that it has asked for so far, its copies among it. */
  neededBytes: number;
}

/** From copies to sinks: encodes them one after the other, a little at a time, and sees that each is counted once. */
export class PayloadPipeline {
  readonly #options: PayloadPipelineOptions;
  readonly #waiting = new PayloadQueue<Payload>();
  #current: Encoding | undefined;
  #isRunning = false;
  #isClosed = false;
  #onIdle: (() => void) | undefined;

  constructor(options: PayloadPipelineOptions) {
    this.#options = options;
  }

  /** Takes a payload whose copies were counted. */
  offer(payload: Payload): void {
    if (this.#isClosed) {
      this.#options.budget.giveBackCopied(payload.copiedBytes);
      this.dropped("shutdown");
      return;
    }
    this.#waiting.push(payload);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#options.afterTurn(() => this.#turn());
  }

  /** Counts a payload that no sink will see. */
  dropped(reason: DropReason): void {
    for (const { name } of this.#options.sinks) this.#options.observer.dropped(name, reason);
  }

  /** Sends what waits, until the signal aborts; then drops the rest. Later payloads are dropped. Never rejects. */
  async close(signal: AbortSignal): Promise<void> {
    await this.#idle(signal);
    this.#isClosed = true;
    this.#dropWaiting();
    await Promise.all(this.#options.sinks.map((sink) => sink.flush(signal)));
  }

  async #idle(signal: AbortSignal): Promise<void> {
    if (!this.#isRunning || signal.aborted) return;
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve;
      signal.addEventListener("abort", () => resolve(), { once: true });
    });
  }

  #dropWaiting(): void {
    const { budget } = this.#options;
    if (this.#current !== undefined) {
      this.#current.steps.return(undefined);
      budget.giveBackCopied(this.#current.payload.copiedBytes);
      this.#current = undefined;
      this.dropped("shutdown");
    }
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      budget.giveBackCopied(next.copiedBytes);
      this.dropped("shutdown");
    }
  }

  #turn(): void {
    const { elapsed, afterTurn } = this.#options;
    const untilMs = elapsed() + TURN_MS;
    while (this.#step()) {
      if (elapsed() < untilMs) continue;
      afterTurn(() => this.#turn());
      return;
    }
    this.#isRunning = false;
    this.#onIdle?.();
  }

  /** False if there is nothing left to do. */
  #step(): boolean {
    const { budget } = this.#options;
    if (this.#current === undefined) {
      const payload = this.#waiting.shift();
      if (payload === undefined) return false;
      this.#current = this.#begin(payload);
    }
    const { payload, steps } = this.#current;
    const step = steps.next();
    if (step.done !== true) return true;
    const fitsAlone = budget.fits(this.#current.neededBytes);
    this.#current = undefined;
    budget.giveBackCopied(payload.copiedBytes);
    if (step.value === undefined) this.dropped(fitsAlone ? "queue" : "too-large");
    else this.#hand(step.value);
    return true;
  }

  #begin(payload: Payload): Encoding {
    const { budget, wantsResponse } = this.#options;
    const room = {
      take: (sizeBytes: number): boolean => {
        encoding.neededBytes += sizeBytes;
        return budget.takeEncoded(sizeBytes);
      },
      giveBack: (sizeBytes: number): void => budget.giveBackEncoded(sizeBytes),
    };
    const encoding: Encoding = {
      payload,
      steps: encodePayload(payload, wantsResponse, room),
      neededBytes: payload.copiedBytes,
    };
    return encoding;
  }

  #hand(payload: EncodedPayload): void {
    const { sinks, observer, budget } = this.#options;
    let left = sinks.length;
    for (const sink of sinks) {
      let isSettled = false;
      sink.accept(payload, (outcome) => {
        if (isSettled) return;
        isSettled = true;
        if (outcome === "logged") observer.logged(sink.name);
        else observer.dropped(sink.name, outcome);
        if (--left === 0) budget.giveBackEncoded(payload.heldBytes);
      });
    }
  }
}
