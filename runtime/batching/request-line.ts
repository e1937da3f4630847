import { ArrivalList } from "../core/arrival-list.ts";
import type { LineSnapshot } from "./plan-batch.ts";
import type { WaitingRequest } from "./waiting-request.ts";

/** Requests in order of arrival. Anyone can leave it without cost for the others. */
export class RequestLine implements LineSnapshot {
  readonly #requests = new ArrivalList<WaitingRequest>();
  #rows = 0;

  get first(): WaitingRequest | undefined {
    return this.#requests.first;
  }

  get last(): WaitingRequest | undefined {
    return this.#requests.last;
  }

  get rows(): number {
    return this.#rows;
  }

  get count(): number {
    return this.#requests.count;
  }

  /** Adds a request, which must not be in any line, at the end. */
  push(request: WaitingRequest): void {
    this.#requests.push(request);
    request.line = this;
    this.#rows += request.remainingRows;
  }

  /** Takes a request out. Its rows must not have changed since it came. */
  remove(request: WaitingRequest): void {
    if (!this.#requests.remove(request)) throw new Error("the request is not in this line");
    request.line = undefined;
    this.#rows -= request.remainingRows;
  }
}
