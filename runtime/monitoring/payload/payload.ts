import type { Datatype, Tensor } from "../../core/tensor.ts";
import type { ErrorCode } from "../../errors.ts";
import type { RequestTiming } from "../../serving/infer-path.ts";

/** What an entry takes beside its elements, roughly, in bytes: objects, names, shapes. */
export const PAYLOAD_OVERHEAD_BYTES = 512;
/** Of each string beside its characters. */
const STRING_OVERHEAD_BYTES = 24;

/** A tensor as it is logged. */
export interface LoggedTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Own copy. Undefined where the values are to be left out. */
  readonly data: Tensor["data"] | undefined;
}

/** What is logged of a request beside its tensors. */
export interface PayloadHead {
  readonly id: string;
  /** As the body of the request had it, where it had one. */
  readonly clientId: string | undefined;
  /** When it was read, in ms since 1970. */
  readonly startedAtMs: number;
  readonly model: string;
  readonly version: number;
  readonly digest: string;
  readonly code: "OK" | ErrorCode;
  /** From when it began to be read until it was answered or failed. */
  readonly totalMs: number;
  /** Undefined for those that failed. */
  readonly timing: RequestTiming | undefined;
}

/** A request and its answer, copied. */
export interface Payload {
  readonly head: PayloadHead;
  /** Undefined where they are not logged. */
  readonly inputs: readonly LoggedTensor[] | undefined;
  /** Undefined where they are not logged, or there are none. */
  readonly outputs: readonly LoggedTensor[] | undefined;
  /** Memory that the copies were counted with. */
  readonly copiedBytes: number;
}

/** Where payloads go. */
export const PAYLOAD_SINKS = ["http", "storage"] as const;
export type PayloadSinkName = (typeof PAYLOAD_SINKS)[number];

/**
 * Why a payload was not logged: `queue` (the memory for those that wait was taken), `too-large` (it would not fit into it alone),
 * `sink` (who should have taken it did not), `shutdown` (there was no time left at the end).
 */
export const DROP_REASONS = ["queue", "too-large", "sink", "shutdown"] as const;
export type DropReason = (typeof DROP_REASONS)[number];

/** Told of what becomes of payloads: each is told of once for each sink. */
export interface PayloadObserver {
  logged(sink: PayloadSinkName): void;
  dropped(sink: PayloadSinkName, reason: DropReason): void;
}

/** Memory that copies of these tensors take, in bytes. */
export function copiedBytesOf(tensors: readonly Tensor[], redacted: ReadonlySet<string>): number {
  let sizeBytes = 0;
  for (const tensor of tensors) if (!redacted.has(tensor.name)) sizeBytes += elementBytesOf(tensor);
  return sizeBytes;
}

function elementBytesOf(tensor: Tensor): number {
  if (tensor.datatype !== "BYTES") return tensor.data.byteLength;
  let sizeBytes = 0;
  // A character takes one byte or two; nobody tells which.
  for (const text of tensor.data) sizeBytes += STRING_OVERHEAD_BYTES + 2 * text.length;
  return sizeBytes;
}

/** Copies of tensors, without the values of those that are to be left out. */
export function copyTensors(tensors: readonly Tensor[], redacted: ReadonlySet<string>): LoggedTensor[] {
  return tensors.map(({ name, datatype, shape, data }) => ({
    name,
    datatype,
    shape,
    data: redacted.has(name) ? undefined : data.slice(),
  }));
}
