import type { Priority } from "../../core/servable.ts";
import type { RefusalReason } from "../../errors.ts";
import type { RequestCode } from "../../monitoring/request-metrics.ts";
import type { Metadata } from "./metadata.ts";
import type { ReceivedMessage } from "./message-reader.ts";

/** What a method is told of its call, and can tell beside its answer. */
export interface CallContext {
  readonly requestId: string;
  /** When the call came, by performance.now(). */
  readonly startMs: number;
  /** Aborts at the deadline, when the client goes away, or when the server stops; its reason is a ServingError. */
  readonly signal: AbortSignal;
  /**
   * When the call's answer is no longer waited for, of performance.now(); of a stream, when the client no longer waits for all of
   * it. Infinite where nobody says.
   */
  readonly deadlineMs: number;
  /** As the client's metadata say; undefined: interactive. */
  readonly priority: Priority | undefined;
  /** Metadata of the request by its lower-case name. */
  header(name: string): string | undefined;
  /** Adds metadata to the answer, also to an error; does nothing once something was sent. */
  addMetadata(metadata: Metadata): void;
  /** Takes memory from what all requests may have, until the call is over. Throws ServingError (ResourceExhausted). */
  take(sizeBytes: number): void;
  /** Sets who is told, once, when the call is over: its status is written, or cannot be. */
  onOver(listener: (code: RequestCode, refusal?: RefusalReason) => void): void;
}

/** A call whose messages come and go one by one. */
export interface StreamContext extends CallContext {
  /** The server stops: whoever has nothing more to answer should end. */
  readonly isStopping: boolean;
  /**
   * Waits for the next message; undefined at the end of the client's, or when the server stops. Rejects with the reason
   * of `signal`. Nothing is read from the network while messages wait to be received.
   */
  receive(): Promise<ReceivedMessage | undefined>;
  /** Gives back the memory of a message. Must be called for each, once. */
  release(message: ReceivedMessage): void;
  /** Sends a framed message; resolves when the next one is welcome. One at a time. Does nothing once the call is over. */
  send(frame: Buffer): Promise<void>;
}

/** Answers a call's only message. */
export type AnswerMessage = (message: ReceivedMessage) => Promise<Buffer> | Buffer;

/**
 * What a path stands for. Messages are decompressed; answers are frames: a message with 5 bytes before it, which are
 * sealed by the server. What is thrown becomes the call's status.
 */
export type Method =
  | {
      readonly kind: "unary";
      /** Default: the server's limit. */
      readonly maxMessageBytes?: number;
      /** Called when the call begins, whether or not a message comes that can be answered. Never throws. */
      readonly begin: (call: CallContext) => AnswerMessage;
    }
  | {
      readonly kind: "stream";
      readonly maxMessageBytes?: number;
      /** The call ends with status OK when the promise resolves. */
      readonly run: (call: StreamContext) => Promise<void>;
    };

/** Methods by their path, such as `/grpc.health.v1.Health/Check`. */
export type Methods = ReadonlyMap<string, Method>;
