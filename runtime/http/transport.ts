import type { ServingError } from "../errors.ts";
import type { BodyAllowance } from "./request-body.ts";
import type { Answer } from "./respond.ts";

/** One request and the way to answer it, whichever parser read it. */
export interface Transport {
  /** Of the body, in bytes; undefined where it is not announced. */
  readonly contentLength: number | undefined;
  /** Whether all of the request has arrived. */
  readonly isReceived: boolean;
  /** A header of the request by its lower-case name. */
  header(name: string): string | undefined;
  /**
   * Reads the whole body, which must be asked for in the turn in which the transport was got, and once. Throws and rejects with ServingError: PayloadTooLarge,
   * ResourceExhausted, InvalidArgument for a flood of tiny pieces, Cancelled if the client goes away, or the reason of
   * `signal`.
   */
  receive(allowance: BodyAllowance, signal: AbortSignal): Uint8Array | Promise<Uint8Array>;
  /**
   * Writes the whole answer, and sees to what was not read of the request. Does nothing if the client is gone or was
   * answered already.
   */
  send(answer: Answer): void;
}

/** What somebody who answers is told of its transport; every call may come at any time, also twice. */
export interface TransportListener {
  /** The rest of the request will not arrive: too late, or no HTTP. The answer should be this error. */
  failReceiving(error: ServingError): void;
  /** The answer is written, or cannot be because the connection is gone. */
  end(isWritten: boolean): void;
}
