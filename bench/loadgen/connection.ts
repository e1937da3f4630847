/** How a request ended: `ok`, or a kind of failure such as `429`, `grpc 8` or `ECONNRESET`. */
export type Outcome = string;
export const OK: Outcome = "ok";

/** Told how each request ended, and whether the connection can take another one. */
export type OnDone = (connection: Connection, startMs: number, outcome: Outcome) => void;

/** A connection to the server under test, with a request of always the same bytes. */
export interface Connection {
  /** How many more requests it takes now. */
  readonly free: number;
  /** Sends a request; `startMs` is when it should have gone, and comes back with its outcome. */
  readonly send: (startMs: number) => void;
  /** Drops the connection; requests under way are not told of any more. */
  readonly close: () => void;
}

/** The code of an error of the system, or else its message. */
export function kindOfError(error: unknown): Outcome {
  if (!(error instanceof Error)) return String(error);
  return "code" in error && typeof error.code === "string" ? error.code : error.message;
}
