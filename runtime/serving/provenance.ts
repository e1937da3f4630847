import type { ServableId, ServableView } from "../core/servable.ts";
import type { RequestTiming } from "./infer-path.ts";

/** What answers tell of where they come from, and of their time: headers over HTTP, metadata over gRPC. */

/** Asks for `Server-Timing` in the answer, by any value but `0`: a header over HTTP, metadata over gRPC. */
export const TIMING_REQUEST_HEADER = "x-lockstep-timing";

interface Remembered {
  readonly digest: string;
  readonly headers: Readonly<Record<string, string>>;
}
const remembered = new WeakMap<ServableId, Remembered>();

/** Headers that tell which model, version and file answered. */
export function provenanceHeaders({ id, digest }: Pick<ServableView, "id" | "digest">): Remembered["headers"] {
  const known = remembered.get(id);
  if (known !== undefined && known.digest === digest) return known.headers;
  const headers = {
    "x-lockstep-model-name": id.name,
    "x-lockstep-model-version": String(id.version),
    "x-lockstep-model-digest": digest,
  };
  remembered.set(id, { digest, headers });
  return headers;
}

/** The value of `Server-Timing`: durations are in ms, as everywhere in that header. */
export function serverTiming({ queueMs, computeMs, decodeMs, encodeMs, batchSize }: RequestTiming): string {
  const compute = `compute;dur=${inMs(computeMs)};desc="batch of ${batchSize}"`;
  return `queue;dur=${inMs(queueMs)}, ${compute}, codec;dur=${inMs(decodeMs + encodeMs)}`;
}

function inMs(durationMs: number): string {
  return String(Math.round(durationMs * 1000) / 1000);
}
