import type { Readable } from "node:stream";
import type { StorageFailure } from "./storage-failure.ts";

/** Passes a body on; its errors become failures, an abort the signal's reason. */
export async function* explained(
  body: AsyncIterable<Uint8Array>,
  explain: (error: unknown) => StorageFailure,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    throw explain(error);
  }
}

/** Ends an answer whose body nobody wants to read on; the connection goes with it. */
export async function discardBody(body: Readable): Promise<void> {
  if (body.destroyed || body.readableEnded) return;
  body.on("error", () => {});
  body.destroy();
}

/** Where a part lies in the whole, from the header Content-Range; undefined without one. */
export function parseContentRange(
  header: string | undefined,
): { readonly start: number; readonly total: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-\d{1,15}\/(\d{1,15}|\*)$/i.exec(header ?? "");
  if (match === null) return undefined;
  return { start: Number(match[1]), total: match[2] === "*" ? undefined : Number(match[2]) };
}
