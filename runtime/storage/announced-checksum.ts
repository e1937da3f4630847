import { checksumLength, type ChecksumAlgorithm } from "./checksum.ts";
import type { AnnouncedChecksum } from "./object-store.ts";

/** Reads a digest in base64; undefined if there is none or it has not the algorithm's length (composite digests have a suffix). */
export function checksumFromBase64(
  algorithm: ChecksumAlgorithm,
  base64: string | undefined,
): AnnouncedChecksum | undefined {
  if (base64 === undefined || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const bytes = Buffer.from(base64, "base64");
  return bytes.length === checksumLength(algorithm) ? { algorithm, hex: bytes.toString("hex") } : undefined;
}

/**
 * The digests in the headers of an answer, for the content as it lies in the storage: Repr-Digest (RFC 9530), its
 * forerunner Digest, and x-goog-hash.
 */
export function checksumsFromHeaders(headers: Readonly<Record<string, string>>): readonly AnnouncedChecksum[] {
  const found: (AnnouncedChecksum | undefined)[] = [];
  for (const [, base64] of (headers["repr-digest"] ?? "").matchAll(/(?:^|,)\s*sha-256=:([^:]*):/gi))
    found.push(checksumFromBase64("sha256", base64));
  for (const [, base64] of (headers["digest"] ?? "").matchAll(/(?:^|,)\s*sha-256=([^,\s]*)/gi))
    found.push(checksumFromBase64("sha256", base64));
  for (const [, name, base64] of (headers["x-goog-hash"] ?? "").matchAll(/(?:^|,)\s*(crc32c|md5)=([^,\s]*)/gi))
    found.push(checksumFromBase64(name?.toLowerCase() === "md5" ? "md5" : "crc32c", base64));
  return found.filter((checksum) => checksum !== undefined);
}
