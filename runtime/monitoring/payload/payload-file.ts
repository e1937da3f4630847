import { asciiJson, tensorsOf, type EncodedPayload } from "./payload-encoder.ts";

/** Lines between two looks at what others have to do. */
export const LINES_PER_TURN = 128;

/** What the name of a file says. */
export interface PayloadFileName {
  /** Folder in the bucket, or below the folder of file://; empty or without slashes at its ends. */
  readonly prefix: string;
  /** When the first request of the file was read, in ms since 1970. */
  readonly startedAtMs: number;
  /** Drawn by the process. */
  readonly instance: string;
  /** Grows from file to file of a process. */
  readonly number: number;
  readonly extension: "jsonl" | "parquet";
}

/** Where a file goes: by day, then by time; no two processes choose the same. */
export function payloadFileKey({ prefix, startedAtMs, instance, number, extension }: PayloadFileName): string {
  const time = new Date(startedAtMs).toISOString();
  const clock = time.slice(11, 19).replaceAll(":", "-");
  const name = `${clock}-${instance}-${String(number).padStart(6, "0")}.${extension}`;
  return `${prefix === "" ? "" : `${prefix}/`}date=${time.slice(0, 10)}/${name}`;
}

/** The line of a payload, in pieces: one JSON object, and the end of the line. */
export function linePiecesOf({ head, request, response }: EncodedPayload): Uint8Array[] {
  const { id, clientId, startedAtMs, model, version, digest, code, totalMs, timing } = head;
  const start = [
    `{"id":${asciiJson(id)}`,
    ...(clientId === undefined ? [] : [`"client_id":${asciiJson(clientId)}`]),
    `"time":"${new Date(startedAtMs).toISOString()}"`,
    `"model":${asciiJson(model)}`,
    `"version":"${version}"`,
    `"digest":${asciiJson(digest)}`,
    `"code":"${code}"`,
    `"latency_ms":${roundedMs(totalMs)}`,
    ...(timing === undefined
      ? []
      : [
          `"queue_ms":${roundedMs(timing.queueMs)}`,
          `"compute_ms":${roundedMs(timing.computeMs)}`,
          `"batch_size":${timing.batchSize}`,
        ]),
  ].join(",");
  const pieces: Uint8Array[] = [Buffer.from(start, "latin1")];
  if (request !== undefined) pieces.push(INPUTS, ...tensorsOf(request));
  if (response?.tensorsAt !== undefined) pieces.push(OUTPUTS, ...tensorsOf(response));
  pieces.push(END);
  return pieces;
}

const INPUTS = Buffer.from(',"inputs":');
const OUTPUTS = Buffer.from(',"outputs":');
const END = Buffer.from("}\n");

/** In microseconds, as ms: more is noise. */
export function roundedMs(durationMs: number): number {
  return Math.round(durationMs * 1000) / 1000;
}
