import type { LineSnapshot } from "./plan-batch.ts";
import type { WaitingRequest } from "./waiting-request.ts";

/** Requests in order of arrival. Anyone can leave it without cost for the others. */
export class RequestLine implements LineSnapshot {
  #first: WaitingRequest | undefined;
  #last: WaitingRequest | undefined;
  #rows = 0;
  #count = 0;

  get first(): WaitingRequest | undefined {
    return this.#first;
  }

  get last(): WaitingRequest | undefined {
    return this.#last;
  }

  get rows(): number {
    return this.#rows;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds a request, which must not be in any line, at the end. */
  push(request: WaitingRequest): void {
    request.line = this;
    request.previous = this.#last;
    request.next = undefined;
    if (this.#last === undefined) this.#first = request;
    else this.#last.next = request;
    this.#last = request;
    this.#rows += request.remainingRows;
    this.#count++;
  }

  /** Takes a request out. Its rows must not have changed since it came. */
  remove(request: WaitingRequest): void {
    if (request.line !== this) throw new Error("the request is not in this line");
    if (request.previous === undefined) this.#first = request.next;
    else request.previous.next = request.next;
    if (request.next === undefined) this.#last = request.previous;
    else request.next.previous = request.previous;
    request.line = request.previous = request.next = undefined;
    this.#rows -= request.remainingRows;
    this.#count--;
  }
}
