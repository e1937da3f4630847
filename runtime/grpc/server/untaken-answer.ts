import { constants, type ServerHttp2Stream } from "node:http2";
import type { UnsentAnswer, UnsentAnswers } from "../../serving/unsent-answers.ts";

/** What a call has sent and its client has not taken: for how long that has been so, and the memory that it takes. */
export class UntakenAnswer {
  readonly #stream: ServerHttp2Stream;
  readonly #unsent: UnsentAnswers;
  #sinceMs: number | undefined;
  #kept: UnsentAnswer | undefined;

  constructor(stream: ServerHttp2Stream, unsent: UnsentAnswers) {
    this.#stream = stream;
    this.#unsent = unsent;
  }

  /** For how long, in ms, the client has not taken it; 0 if there is nothing. */
  forMs(nowMs: number): number {
    return this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs;
  }

  /** From now on something is there to be taken. */
  begin(): void {
    this.#sinceMs ??= performance.now();
  }

  /** Takes note of the memory of what was written. */
  keep(): void {
    this.forget();
    this.#kept = this.#unsent.add(this.#stream.writableLength, () => this.cut());
  }

  /** The client has taken all that was written so far. */
  taken(): void {
    this.#sinceMs = undefined;
    this.forget();
  }

  /** Gives the memory back. */
  forget(): void {
    if (this.#kept !== undefined) this.#unsent.remove(this.#kept);
    this.#kept = undefined;
  }

  /** Ends the call without another word. */
  cut(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#stream.destroy();
  }
}
