import type { IncomingMessage } from "node:http";
import { ServingError } from "../errors.ts";
import type { BodyBudget } from "../serving/body-budget.ts";
import { bodyTooLarge } from "./request-head.ts";

/** Each piece of a body costs time, however small it is: after so many they must not be tiny. */
export const FREE_PIECES = 4_096;
const LEAST_PIECE_BYTES = 64;

/** What one request may keep of bodies: within its own limit, and within the budget of all. */
export class BodyAllowance {
  /** Of one body, whether as it came or decompressed. */
  readonly maxBodyBytes: number;
  readonly #budget: BodyBudget;
  #takenBytes = 0;

  constructor(budget: BodyBudget, maxBodyBytes: number) {
    this.#budget = budget;
    this.maxBodyBytes = maxBodyBytes;
  }

  /** Throws ServingError (ResourceExhausted) if there is no room. */
  take(sizeBytes: number): void {
    this.#budget.take(sizeBytes);
    this.#takenBytes += sizeBytes;
  }

  /** Gives back part of what was taken. */
  giveBack(sizeBytes: number): void {
    this.#takenBytes -= sizeBytes;
    this.#budget.giveBack(sizeBytes);
  }

  /** Gives back all that is left. Must be called when the request has ended. Idempotent. */
  end(): void {
    this.giveBack(this.#takenBytes);
  }
}

/** Puts the pieces of a body together, within the limits. */
export class BodyCollector {
  readonly #allowance: BodyAllowance;
  readonly #pieces: Buffer[] = [];
  #sizeBytes = 0;

  constructor(allowance: BodyAllowance) {
    this.#allowance = allowance;
  }

  /** Throws ServingError: PayloadTooLarge, ResourceExhausted, or InvalidArgument for a flood of tiny pieces. */
  push(piece: Buffer): void {
    const { maxBodyBytes } = this.#allowance;
    if (this.#sizeBytes + piece.length > maxBodyBytes) throw bodyTooLarge(maxBodyBytes);
    this.#allowance.take(piece.length);
    this.#sizeBytes += piece.length;
    this.#pieces.push(piece);
    if (this.#pieces.length > FREE_PIECES && this.#sizeBytes < this.#pieces.length * LEAST_PIECE_BYTES) throw tooFine();
  }

  /** The body so far. */
  join(): Buffer {
    const [only] = this.#pieces;
    return only !== undefined && this.#pieces.length === 1 ? only : Buffer.concat(this.#pieces, this.#sizeBytes);
  }
}

/**
 * Reads a whole body. Rejects with ServingError: PayloadTooLarge, ResourceExhausted, InvalidArgument for a flood of
 * tiny pieces, Cancelled if the client goes away first, or the reason of `signal`. After a rejection the rest of the
 * body is unread and the request is paused.
 */
export function readBody(request: IncomingMessage, allowance: BodyAllowance, signal: AbortSignal): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const collector = new BodyCollector(allowance);

    const stop = (): void => {
      request.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      signal.removeEventListener("abort", onAbort);
    };
    const fail = (error: unknown): void => {
      stop();
      request.pause();
      reject(error);
    };
    const onData = (piece: Buffer): void => {
      try {
        collector.push(piece);
      } catch (error) {
        fail(error);
      }
    };
    const onEnd = (): void => {
      stop();
      resolve(collector.join());
    };
    const onClose = (): void => {
      fail(bodyCutOff());
    };
    const onAbort = (): void => {
      fail(signal.reason);
    };

    if (signal.aborted) {
      reject(signal.reason as Error);
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    request.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** The error for a body whose sender went away. */
export function bodyCutOff(): ServingError {
  return new ServingError("Cancelled", "body: expected all of it, got a closed connection");
}

function tooFine(): ServingError {
  return new ServingError(
    "InvalidArgument",
    `body: expected pieces of at least ${LEAST_PIECE_BYTES} bytes on average, got smaller ones`,
  );
}

/**
 * Reads on and throws away, so that a client that is still sending sees the answer instead of a reset connection.
 * Resolves at the end of the body, after `lingerMs`, or when the body comes in too many pieces.
 */
export function discardBody(request: IncomingMessage, lingerMs: number): Promise<void> {
  return new Promise((resolve) => {
    let pieces = 0;
    const stop = (): void => {
      clearTimeout(timer);
      request.off("data", onData).off("end", stop).off("close", stop);
      request.pause();
      resolve();
    };
    const onData = (): void => {
      if (++pieces > FREE_PIECES) stop();
    };
    const timer = setTimeout(stop, lingerMs);
    request.on("data", onData).on("end", stop).on("close", stop).on("error", ignore);
    request.resume();
    if (request.readableEnded || request.destroyed) stop();
  });
}

function ignore(): void {
  // The connection's end is all that matters, and it is told by close.
}
