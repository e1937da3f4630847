import * as z from "zod";
import { CHECKSUM_ALGORITHMS } from "./checksum.ts";
import type { DownloadState } from "./file-download.ts";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const size = z.int().min(0);

const partialFile = z.strictObject({
  /** Local name. */
  name: z.string(),
  etag: z.string(),
  sizeBytes: size.optional(),
  checksums: z.array(z.strictObject({ algorithm: z.enum(CHECKSUM_ALGORITHMS), hex: z.string() })),
  /** So many bytes have reached the disk. */
  durableBytes: size,
  /** Set once the file is complete. */
  sha256: sha256.optional(),
});
/** How far the download of one file is. */
export type PartialFileState = z.infer<typeof partialFile>;

const journal = z.strictObject({
  formatVersion: z.literal(1),
  /** Only files that can be resumed are here. */
  files: z.array(partialFile),
});
/** What lies beside a partial download, so that another process can go on with it. */
export type Journal = z.infer<typeof journal>;

const versionFile = z.strictObject({
  /** Local name. */
  name: z.string(),
  sizeBytes: size,
  sha256,
  /** Its state in the storage when it was fetched, where the storage tells. */
  etag: z.string().optional(),
});
const versionManifest = z.strictObject({
  base64: z.string(),
  /** In base64. */
  signature: z.string().optional(),
});
const versionRecord = z.strictObject({
  formatVersion: z.literal(1),
  files: z.array(versionFile).min(1),
  /** By which the files were chosen and checked, so that a signature can be checked again, with whatever key. */
  manifest: versionManifest.optional(),
});
/** What lies beside a complete version. The first file is the model. */
export type VersionRecord = z.infer<typeof versionRecord>;

/**
 * What a journal keeps of a file on its way, or of one that is complete. Undefined where the storage does not tell its
 * state: nobody could tell later whether the rest is of the same file.
 */
export function partialFileOf(name: string, state: DownloadState, fileSha256?: string): PartialFileState | undefined {
  const { etag, sizeBytes, checksums, durableBytes } = state;
  if (etag === undefined) return undefined;
  return {
    name,
    etag,
    checksums: [...checksums],
    durableBytes,
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(fileSha256 !== undefined && { sha256: fileSha256 }),
  };
}

/** Where a download goes on. */
export function downloadStateOf({ etag, sizeBytes, checksums, durableBytes }: PartialFileState): DownloadState {
  return { etag, sizeBytes, checksums, durableBytes };
}

/** Undefined for anything that is not a journal of this format. */
export function parseJournal(text: string): Journal | undefined {
  return parseJson(journal, text);
}

/** Undefined for anything that is not a record of this format. */
export function parseVersionRecord(text: string): VersionRecord | undefined {
  return parseJson(versionRecord, text);
}

function parseJson<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
