import type { KeyObject } from "node:crypto";
import { isSignatureOf, SIGNATURE_BYTES } from "./manifest-signature.ts";
import type { ObjectStore, StoredEntry } from "./object-store.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";
import { readSmallObject } from "./small-object.ts";
import { StorageFailure } from "./storage-failure.ts";
import {
  MANIFEST_FILE,
  MANIFEST_SIGNATURE_FILE,
  ManifestError,
  MAX_MANIFEST_BYTES,
  parseVersionManifest,
  type StoredManifest,
  type VersionManifest,
} from "./version-manifest.ts";
import type { VersionPlan } from "./version-listing.ts";

/** What a manifest must be. */
export interface ManifestExpectation {
  /** The folder's number; undefined where the folder has none. */
  readonly version: number | undefined;
  /** Whose signature it must have; undefined for anybody's, or none. */
  readonly publicKey: KeyObject | undefined;
  /** The version's folder, for messages. */
  readonly place: string;
}

/**
 * Checks who signed a manifest, before anything in it is looked at, then what it says. Throws StorageFailure:
 * SignatureInvalid, ManifestInvalid.
 */
export function checkManifest(stored: StoredManifest, expected: ManifestExpectation): VersionManifest {
  const { publicKey, place } = expected;
  if (publicKey !== undefined) checkSignature(stored, publicKey, place);
  let manifest: VersionManifest;
  try {
    manifest = parseVersionManifest(stored.bytes);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new StorageFailure("ManifestInvalid", `${place}/${MANIFEST_FILE} ${error.message}`, { cause: error });
  }
  if (expected.version !== undefined && manifest.version !== expected.version)
    throw new StorageFailure(
      "ManifestInvalid",
      `${place}/${MANIFEST_FILE} is the manifest of version ${manifest.version}, in the folder of version ${expected.version}`,
    );
  return manifest;
}

/**
 * Reads the manifest of a version whose folder has these entries; undefined if it has none. Throws StorageFailure, or the
 * signal's reason.
 */
export async function readStoredManifest(
  store: ObjectStore,
  keyOf: (name: string) => string,
  entries: readonly StoredEntry[],
  retry: RetryPolicy,
  signal: AbortSignal,
): Promise<StoredManifest | undefined> {
  const read = async (name: string, maxBytes: number): Promise<Uint8Array | undefined> => {
    const entry = entries.find((candidate) => candidate.name === name);
    if (entry === undefined || entry.kind === "folder") return undefined;
    const key = keyOf(name);
    if (entry.kind === "unsafe")
      throw new StorageFailure("UnsafeModelFile", `${store.describe(key)} is ${entry.problem}`);
    const ask = (inner: AbortSignal): Promise<Uint8Array> => readSmallObject(store, key, maxBytes, inner);
    return await withRetries(ask, retry, store.describe(key), signal);
  };
  const bytes = await read(MANIFEST_FILE, MAX_MANIFEST_BYTES);
  if (bytes === undefined) return undefined;
  return { bytes, signature: await read(MANIFEST_SIGNATURE_FILE, SIGNATURE_BYTES) };
}

/** Says that a version without manifest, or a single file, cannot be what storage.verify.publicKey wants. */
export function unsignedFailure(what: string): StorageFailure {
  return new StorageFailure(
    "SignatureInvalid",
    `storage.verify.publicKey wants signed versions, and ${what}: publish it with lockstep push --key`,
  );
}

/**
 * The version's files as the manifest names them, with their states in the storage. Throws StorageFailure: a file that is
 * missing or has another size is a ChecksumMismatch.
 */
export function planByManifest(
  manifest: VersionManifest,
  entries: readonly StoredEntry[],
  place: string,
): Pick<VersionPlan, "model" | "companions"> {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const files = manifest.files.map(({ name, sizeBytes, sha256 }) => {
    const entry = byName.get(name);
    if (entry === undefined || entry.kind === "folder")
      throw new StorageFailure(
        "ChecksumMismatch",
        `${place}/${name} is in the version's manifest and not in the storage`,
      );
    if (entry.kind === "unsafe") throw new StorageFailure("UnsafeModelFile", `${place}/${name} is ${entry.problem}`);
    if (entry.sizeBytes !== sizeBytes)
      throw new StorageFailure(
        "ChecksumMismatch",
        `${place}/${name} has ${entry.sizeBytes} bytes, and the version's manifest says ${sizeBytes}`,
      );
    return { name, sizeBytes, sha256, etag: entry.etag };
  });
  const model = files.find(({ name }) => name === manifest.model);
  if (model === undefined) throw new Error("a manifest without its model was parsed");
  return { model, companions: files.filter((file) => file !== model) };
}

function checkSignature({ bytes, signature }: StoredManifest, publicKey: KeyObject, place: string): void {
  if (signature === undefined)
    throw unsignedFailure(`${place} has no signature beside its manifest (${MANIFEST_SIGNATURE_FILE})`);
  if (!isSignatureOf(bytes, signature, publicKey))
    throw new StorageFailure(
      "SignatureInvalid",
      `${place}/${MANIFEST_SIGNATURE_FILE} is not a signature of its manifest by the key in storage.verify.publicKey: ` +
        "the version was changed since, or another key signed it",
    );
}
