import { ListEntry } from "../core/arrival-list.ts";
import type { InferenceRequest, InferenceResult } from "../core/servable.ts";
import type { Lane } from "./request-queue.ts";
import type { RequestLine } from "./request-line.ts";

/** A request that is too large for one run: its pieces are run one by one, and joined. */
export interface Cut {
  /** Rows of every piece but the last. */
  readonly pieceRows: number;
  /** Rows that have been handed over. */
  takenRows: number;
  /** By piece. */
  readonly results: (InferenceResult | undefined)[];
  missing: number;
}

/** A request as it came, and whom to tell of its end. */
export interface WaitingRequestOptions {
  readonly request: InferenceRequest;
  readonly signal: AbortSignal | undefined;
  readonly rows: number;
  /** Ascending with arrival. */
  readonly order: number;
  readonly arrivalMs: number;
  /** Told when the signal aborts; the request has been rejected by then. */
  readonly onAbort: (request: WaitingRequest) => void;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * A request from its arrival until it is answered: an entry of a line while it waits. It listens to its signal itself, so
 * that no request needs functions of its own.
 */
export class WaitingRequest extends ListEntry implements EventListenerObject {
  readonly request: InferenceRequest;
  readonly signal: AbortSignal | undefined;
  readonly rows: number;
  readonly order: number;
  readonly arrivalMs: number;
  readonly #onAbort: (request: WaitingRequest) => void;
  readonly #resolve: (result: InferenceResult) => void;
  readonly #reject: (reason: unknown) => void;
  /** When its first run was handed over; undefined before. */
  dispatchMs: number | undefined;
  cut: Cut | undefined;
  isSettled = false;
  lane: Lane | undefined;
  /** The line's. */
  line: RequestLine | undefined;

  constructor(options: WaitingRequestOptions) {
    super();
    this.request = options.request;
    this.signal = options.signal;
    this.rows = options.rows;
    this.order = options.order;
    this.arrivalMs = options.arrivalMs;
    this.#onAbort = options.onAbort;
    this.#resolve = options.resolve;
    this.#reject = options.reject;
    this.signal?.addEventListener("abort", this);
  }

  /** Rows that have not been handed over. */
  get remainingRows(): number {
    return this.rows - (this.cut?.takenRows ?? 0);
  }

  /** Answers it; does nothing if it was answered before. */
  resolve(result: InferenceResult): void {
    if (this.#settle()) this.#resolve(result);
  }

  /** Fails it; does nothing if it was answered before. */
  reject(reason: unknown): void {
    if (this.#settle()) this.#reject(reason);
  }

  /** The signal has aborted. */
  handleEvent(): void {
    this.reject(this.signal?.reason);
    this.#onAbort(this);
  }

  #settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    this.signal?.removeEventListener("abort", this);
    return true;
  }
}
