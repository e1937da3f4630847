import type { HttpClientResponse } from "./http-client.ts";
import { unexplainedFailure } from "./http-exchange.ts";
import { networkFailure } from "./network-failure.ts";
import type { AnnouncedChecksum, OpenOptions, OpenResult } from "./object-store.ts";
import { discardBody, explained, parseContentRange } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";

/** How an answer with a file's content is to be understood. */
export interface ObjectAnswer {
  /** The file, as messages show it. */
  readonly place: string;
  /** The state that is sent, as the store's listings name it. */
  readonly etag: string | undefined;
  /** Of the whole file. */
  readonly checksums: readonly AnnouncedChecksum[];
  /** Says why there is no content; asked for any status but 200, 206, 412 and 416. */
  readonly failure: (response: HttpClientResponse) => StorageFailure | Promise<StorageFailure>;
}

/** The headers that ask for a part of a file. */
export function rangeHeaders({ offset }: Pick<OpenOptions, "offset">): Record<string, string> {
  return offset > 0 ? { range: `bytes=${offset}-` } : {};
}

/**
 * Makes an opened file of an answer: whole or from an offset, of the state that was asked for or "changed". Throws
 * StorageFailure; then the body is disposed of.
 */
export async function openAnswered(
  response: HttpClientResponse,
  { ifMatch }: Pick<OpenOptions, "ifMatch">,
  { place, etag, checksums, failure }: ObjectAnswer,
  signal: AbortSignal,
): Promise<OpenResult> {
  const { status, headers, body } = response;
  try {
    const isSent = status === 200 || status === 206;
    if (status === 412 || status === 416 || (isSent && ifMatch !== undefined && etag !== ifMatch)) {
      await discardBody(body);
      return { kind: "changed" };
    }
    if (!isSent) throw await failure(response);
    if (!["", "identity"].includes(headers["content-encoding"] ?? ""))
      throw new StorageFailure(
        "StorageUnreachable",
        `${place} is sent compressed although the plain file was asked for`,
      );
    const part = partOf(response);
    if (part === undefined)
      throw new StorageFailure("StorageUnreachable", `${place} is sent in parts without saying which (Content-Range)`);
    return {
      kind: "opened",
      ...part,
      etag,
      checksums,
      body: explained(body, (error) => networkFailure(error, place) ?? unexplainedFailure(error, place), signal),
      [Symbol.asyncDispose]: () => discardBody(body),
    };
  } catch (error) {
    await discardBody(body);
    throw error;
  }
}

/** Where the body starts, and how large the whole file is. */
function partOf({
  status,
  headers,
}: HttpClientResponse): { readonly offset: number; readonly sizeBytes: number | undefined } | undefined {
  if (status === 200) {
    const length = headers["content-length"];
    return { offset: 0, sizeBytes: length === undefined ? undefined : Number(length) };
  }
  const range = parseContentRange(headers["content-range"]);
  return range === undefined ? undefined : { offset: range.start, sizeBytes: range.total };
}
