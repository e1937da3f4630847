import type { KeyObject } from "node:crypto";
import type { Logger } from "../../common/logger.ts";
import type { FetchedVersion } from "../core/repository.ts";
import { checkManifest } from "./checked-manifest.ts";
import type { VersionRecord } from "./journal.ts";
import { localDiskFailure } from "./local-disk.ts";
import type { ModelDirectory } from "./model-directory.ts";
import { StorageFailure } from "./storage-failure.ts";
import type { VersionFile, VersionPlan } from "./version-listing.ts";
import type { VersionManifest } from "./version-manifest.ts";

/** Name of every version's model on the local disk. Companions keep theirs: the model refers to them by name. */
export const MODEL_FILE = "model.onnx";

/** What was fetched of a model, and what is wanted of it. */
export interface FetchedVersions {
  readonly directory: ModelDirectory;
  /** What the model file must have, in hexadecimal. */
  readonly expectedSha256: string | undefined;
  /** Whose signature the version's manifest must have; undefined for none. */
  readonly publicKey: KeyObject | undefined;
  readonly logger: Logger | undefined;
}

/**
 * A version that was fetched earlier, if it is complete, undamaged and what storage.verify wants; the storage is not asked. Throws StorageFailure, or the signal's reason.
 */
export async function findComplete(
  version: number,
  { directory, expectedSha256, publicKey }: FetchedVersions,
  signal: AbortSignal,
): Promise<FetchedVersion | undefined> {
  try {
    const complete = await directory.readComplete(version, signal);
    if (complete === undefined) return undefined;
    const isWanted = expectedSha256 === undefined || complete.digest === `sha256:${expectedSha256}`;
    const isTrusted = publicKey === undefined || isSigned(await directory.readRecord(version), publicKey);
    if (isWanted && isTrusted) return complete;
    // The storage may have what is wanted by now.
    await directory.removeVersion(version);
    return undefined;
  } catch (error) {
    signal.throwIfAborted();
    throw localDiskFailure(error);
  }
}

/** The same, if the storage still has the files of which the version was made; otherwise it is removed. */
export async function findFetched(
  version: number,
  plan: VersionPlan,
  context: FetchedVersions,
  signal: AbortSignal,
): Promise<FetchedVersion | undefined> {
  const { directory, logger } = context;
  const record = await directory.readRecord(version);
  if (record === undefined || isRecordOf(record, localFilesOf(plan)))
    return await findComplete(version, context, signal);
  logger?.warn({ version }, "the version's files were changed in the storage: fetching them anew");
  await directory.removeVersion(version);
  return undefined;
}

/** A file of a version, in the storage and on the disk. */
export interface LocalFile {
  readonly file: VersionFile;
  /** Relative to the version's local folder. */
  readonly name: string;
}

/** The files of a version, the model first. */
export function localFilesOf({ model, companions }: VersionPlan): readonly LocalFile[] {
  return [{ file: model, name: MODEL_FILE }, ...companions.map((file) => ({ file, name: file.name }))];
}

/** Whether a version on the disk consists of what its manifest says, and the manifest is signed with this key's private part. */
function isSigned(record: VersionRecord | undefined, publicKey: KeyObject): boolean {
  if (record?.manifest === undefined) return false;
  const { base64, signature } = record.manifest;
  const stored = {
    bytes: Buffer.from(base64, "base64"),
    signature: signature === undefined ? undefined : Buffer.from(signature, "base64"),
  };
  let manifest: VersionManifest;
  try {
    // The folder's number was checked when the version was fetched.
    manifest = checkManifest(stored, { version: undefined, publicKey, place: "" });
  } catch (error) {
    if (error instanceof StorageFailure) return false;
    throw error;
  }
  const isSame = ({ name, sha256 }: VersionManifest["files"][number]): boolean => {
    const local = name === manifest.model ? MODEL_FILE : name;
    return record.files.some((file) => file.name === local && file.sha256 === sha256);
  };
  return manifest.files.length === record.files.length && manifest.files.every(isSame);
}

/** Whether these are the files of which the version was made, as far as the storage tells. */
export function isRecordOf({ files: records }: VersionRecord, files: readonly LocalFile[]): boolean {
  const isSame = ({ file, name }: LocalFile): boolean => {
    const record = records.find((candidate) => candidate.name === name);
    if (record === undefined) return false;
    // A digest that is known says all; the same content may have been uploaded again.
    if (file.sha256 !== undefined) return file.sha256 === record.sha256;
    const hasSameSize = file.sizeBytes === undefined || file.sizeBytes === record.sizeBytes;
    return hasSameSize && (file.etag === undefined || file.etag === record.etag);
  };
  return records.length === files.length && files.every(isSame);
}
