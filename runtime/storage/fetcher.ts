import { rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { FetchedVersion, ReportProgress } from "../core/repository.ts";
import { downloadFile, tooLargeFailure, type DownloadState, type DownloadedFile } from "./file-download.ts";
import { cacheKey } from "./cache/cache-key.ts";
import type { CacheRequest, DownloadTarget, NodeCache } from "./cache/node-cache.ts";
import type { DownloadPolicy } from "./download-policy.ts";
import { findFetched, localFilesOf, MODEL_FILE, type FetchedVersions, type LocalFile } from "./fetched-version.ts";
import { downloadStateOf, partialFileOf, type Journal, type PartialFileState, type VersionRecord } from "./journal.ts";
import { freeBytes, localDiskFailure, makePrivateFolder, sha256OfFile } from "./local-disk.ts";
import type { PartialVersion } from "./model-directory.ts";
import type { ObjectStore } from "./object-store.ts";
import { throttleProgress } from "./progress.ts";
import { StorageFailure } from "./storage-failure.ts";
import type { VersionFile, VersionPlan } from "./version-listing.ts";

/** How often a version is begun anew when its files change or arrive damaged. */
const MAX_RESTARTS = 2;

/** A point that a fetch has reached; for logs and for tests that end the process there. */
export type FetchStep = "claimed" | "received" | "verified" | "published";

/** What a fetch works with. */
export interface FetchContext extends FetchedVersions {
  readonly store: ObjectStore;
  /** LOCKSTEP_MODEL_DIR, to see how much room there is. */
  readonly diskFolder: string;
  readonly maxBytes: number;
  /** The file that the version must be, as in {@link FetchedVersion}; undefined if any will do. */
  readonly digest: string | undefined;
  readonly policy: DownloadPolicy;
  /** What the replicas of this node share, and which storage its files are from: storageUri and endpoint. */
  readonly cache?: { readonly files: NodeCache; readonly place: readonly (string | undefined)[] };
  readonly onStep?: (step: FetchStep) => void;
}

/** A version in the storage. */
export interface VersionSource {
  readonly version: number;
  /** Of a file in the version's folder. */
  key(name: string): string;
  /** Lists the version's files as they are now. */
  plan(signal: AbortSignal): Promise<VersionPlan>;
}

/**
 * Brings a version to the local disk, or finds it there in the state in which the storage has it. All its files are of
 * one listing: if one of them changes meanwhile, all are listed and fetched again. Files on mounted volumes are copied like any other, because a file that
 * is loaded in place could be changed, cut or replaced between the check of its digest and its use.
 * Throws StorageFailure, or the signal's reason.
 */
export async function fetchVersion(
  source: VersionSource,
  context: FetchContext,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<FetchedVersion> {
  try {
    for (let restarts = 0; ; restarts++) {
      const plan = await source.plan(signal);
      // A manifest tells before anything is fetched.
      const { sha256 } = plan.model;
      if (sha256 !== undefined) refuseRewritten(`sha256:${sha256}`, source, context);
      const kept = await findFetched(source.version, plan, context, signal);
      if (kept !== undefined) {
        report({ bytesDone: kept.sizeBytes, bytesTotal: kept.sizeBytes });
        refuseRewritten(kept.digest, source, context);
        return kept;
      }
      try {
        const fetched = await fetchPlanned(plan, source, context, report, signal);
        refuseRewritten(fetched.digest, source, context);
        return fetched;
      } catch (error) {
        const again = error instanceof StorageFailure && error.reason === "ChecksumMismatch" && error.transient;
        if (!again || restarts === MAX_RESTARTS) throw error;
        context.logger?.warn({ version: source.version, failure: error.message }, "fetching the version anew");
      }
    }
  } catch (error) {
    signal.throwIfAborted();
    throw localDiskFailure(error);
  }
}

/** Throws StorageFailure (VersionRewritten) if this is another file than the one that is meant. */
function refuseRewritten(got: string, source: VersionSource, { digest, store }: FetchContext): void {
  if (digest === undefined || digest === got) return;
  const place = store.describe(source.key("")).replace(/\/$/, "");
  throw new StorageFailure(
    "VersionRewritten",
    `version ${source.version} at ${place} is another file than the one that was fetched under its number: expected ${digest}, got ${got}`,
  );
}

async function fetchPlanned(
  plan: VersionPlan,
  source: VersionSource,
  context: FetchContext,
  report: ReportProgress,
  signal: AbortSignal,
): Promise<FetchedVersion> {
  const partial = await context.directory.claimPartial(source.version);
  context.onStep?.("claimed");
  try {
    const fetch = new VersionFetch(plan, source, context, partial);
    return await fetch.run(report, signal);
  } catch (error) {
    const failure = localDiskFailure(error);
    // What a broken connection left can be taken up again by the next call; anything else is of no use.
    const keep = signal.aborted || (failure instanceof StorageFailure && failure.reason === "StorageUnreachable");
    await (keep ? partial.release() : partial.discard());
    throw failure;
  }
}

class VersionFetch {
  readonly #plan: VersionPlan;
  readonly #source: VersionSource;
  readonly #context: FetchContext;
  readonly #partial: PartialVersion;
  readonly #files = new Map<string, PartialFileState>();

  constructor(plan: VersionPlan, source: VersionSource, context: FetchContext, partial: PartialVersion) {
    this.#plan = plan;
    this.#source = source;
    this.#context = context;
    this.#partial = partial;
  }

  async run(report: ReportProgress, signal: AbortSignal): Promise<FetchedVersion> {
    const { directory, onStep } = this.#context;
    const { version } = this.#source;
    const files = localFilesOf(this.#plan);
    this.#takeUp(files);
    await this.#partial.keepOnly(new Set(this.#files.keys()));
    await this.#checkSpace(files);
    const announced = files.map(({ file }) => file.sizeBytes).reduce(sum, 0);
    const progress = throttleProgress(report, this.#context.policy.progressIntervalMs);
    let doneBytes = 0;
    const records: VersionRecord["files"] = [];
    for (const { file, name } of files) {
      const before = doneBytes;
      const fetched = await this.#fetchFile(file, name, before, signal, (bytesDone, sizeBytes) => {
        progress({
          bytesDone: before + bytesDone,
          bytesTotal: announced ?? (files.length === 1 ? sizeBytes : undefined),
        });
      });
      doneBytes += fetched.sizeBytes;
      this.#check(file, name, fetched);
      const { sizeBytes, sha256, state } = fetched;
      records.push({ name, sizeBytes, sha256, ...(state.etag !== undefined && { etag: state.etag }) });
    }
    onStep?.("verified");
    await this.#partial.publish({ formatVersion: 1, files: records, ...manifestRecord(this.#plan) });
    onStep?.("published");
    progress({ bytesDone: doneBytes, bytesTotal: doneBytes });
    const [first] = records;
    const complete = await directory.locate(version);
    // Somebody else may have been quicker: then theirs is looked at, byte by byte.
    if (complete !== undefined && complete.digest === `sha256:${first?.sha256}`) return complete;
    const theirs = await directory.readComplete(version, signal);
    if (theirs !== undefined) return theirs;
    throw new StorageFailure("InternalError", `version ${version} disappeared from LOCKSTEP_MODEL_DIR`);
  }

  /** Keeps of an earlier process's work what is of the same state of the same files. */
  #takeUp(files: readonly LocalFile[]): void {
    for (const state of this.#partial.journal?.files ?? []) {
      const file = files.find(({ name }) => name === state.name)?.file;
      if (file !== undefined && isOfState(state, file)) this.#files.set(state.name, state);
    }
  }

  async #checkSpace(files: readonly LocalFile[]): Promise<void> {
    const { store, maxBytes, diskFolder, directory } = this.#context;
    const totalBytes = files.reduce((total, { file }) => total + (file.sizeBytes ?? 0), 0);
    if (totalBytes > maxBytes) throw tooLargeFailure(`the version at ${store.describe(this.#source.key(""))}`);
    const haveBytes = [...this.#files.values()].reduce((total, { durableBytes }) => total + durableBytes, 0);
    const neededBytes = totalBytes - haveBytes;
    if (((await freeBytes(diskFolder)) ?? Infinity) >= neededBytes) return;
    await directory.removeAbandoned();
    const free = await freeBytes(diskFolder);
    if (free !== undefined && free < neededBytes)
      throw new StorageFailure(
        "StorageFull",
        `the version needs ${neededBytes} more bytes and the replica's disk has ${free} left`,
      );
  }

  async #fetchFile(
    file: VersionFile,
    name: string,
    bytesBefore: number,
    signal: AbortSignal,
    onProgress: (bytesDone: number, sizeBytes: number | undefined) => void,
  ): Promise<DownloadedFile> {
    const { store, policy, maxBytes, logger, onStep } = this.#context;
    const known = this.#files.get(name);
    if (known?.sha256 !== undefined && known.sizeBytes !== undefined) {
      const actual = await sha256OfFile(this.#partial.path(name), known.sizeBytes, signal);
      const state = downloadStateOf(known);
      if (actual === known.sha256) return { sizeBytes: known.sizeBytes, sha256: actual, state, resumed: true };
    }
    const fromStart = { etag: file.etag, sizeBytes: file.sizeBytes, checksums: [], durableBytes: 0 };
    const download = (target: DownloadTarget, inner: AbortSignal): Promise<DownloadedFile> =>
      downloadFile(
        {
          ...target,
          store,
          key: this.#source.key(file.name),
          start: target.start !== undefined && isOfState(target.start, file) ? target.start : fromStart,
          maxBytes: maxBytes - bytesBefore,
          policy,
          onBroken: (failure, bytesDone) =>
            logger?.warn({ failure: failure.message, bytesDone }, "the download broke and will be resumed"),
        },
        inner,
      );
    const direct: DownloadTarget = {
      path: this.#partial.path(name),
      start: known === undefined || known.sha256 !== undefined ? undefined : downloadStateOf(known),
      onProgress,
      onCheckpoint: (state) => this.#record(name, state, undefined),
    };
    const fetched =
      (await this.#fetchByCache(file, name, { download, onProgress }, signal)) ?? (await download(direct, signal));
    await this.#record(name, fetched.state, fetched.sha256);
    onStep?.("received");
    return fetched;
  }

  /** A copy of what the replicas of this node share; undefined if it has to be fetched without. */
  async #fetchByCache(
    file: VersionFile,
    name: string,
    by: Pick<CacheRequest, "download" | "onProgress">,
    signal: AbortSignal,
  ): Promise<DownloadedFile | undefined> {
    const { cache, store, expectedSha256 } = this.#context;
    const { etag, sizeBytes } = file;
    if (cache === undefined || sizeBytes === undefined) return undefined;
    const sourceKey = this.#source.key(file.name);
    const sha256 = file.sha256 ?? (name === MODEL_FILE ? expectedSha256 : undefined) ?? file.announcedSha256;
    const key = cacheKey({ sha256, place: [...cache.place, sourceKey], etag, sizeBytes });
    if (key === undefined) return undefined;
    const check = (fetched: DownloadedFile): void => this.#check(file, name, fetched);
    const path = this.#partial.sparePath;
    const place = store.describe(sourceKey);
    const obtained = await cache.files.obtain({ ...by, key, sizeBytes, sha256, path, place, check }, signal);
    if (obtained === undefined) return undefined;
    const target = this.#partial.path(name);
    await makePrivateFolder(dirname(target));
    await rename(path, target);
    const state = { etag, sizeBytes, checksums: [], durableBytes: sizeBytes };
    // Somebody else may have brought it.
    return { ...obtained, state, resumed: true };
  }

  #check(file: VersionFile, name: string, fetched: DownloadedFile): void {
    this.#checkManifest(file, fetched);
    if (name === MODEL_FILE) this.#checkDigest(fetched);
  }

  #checkManifest({ name, sha256: expected }: VersionFile, { sha256, resumed }: DownloadedFile): void {
    if (expected === undefined || expected === sha256) return;
    const place = this.#context.store.describe(this.#source.key(name));
    throw new StorageFailure(
      "ChecksumMismatch",
      `${place} has SHA-256 ${sha256}, and the version's manifest says ${expected}`,
      // What an earlier process had brought may be at fault.
      { transient: resumed },
    );
  }

  #checkDigest({ sha256, resumed }: DownloadedFile): void {
    const expected = this.#context.expectedSha256;
    if (expected === undefined || expected === sha256) return;
    throw new StorageFailure(
      "ChecksumMismatch",
      `the model file has SHA-256 ${sha256}, and storage.verify.sha256 is ${expected}`,
      // What an earlier process had brought may be at fault.
      { transient: resumed },
    );
  }

  async #record(name: string, state: DownloadState, sha256: string | undefined): Promise<void> {
    const file = partialFileOf(name, state, sha256);
    if (file === undefined) return;
    this.#files.set(name, file);
    const journal: Journal = { formatVersion: 1, files: [...this.#files.values()] };
    await this.#partial.writeJournal(journal);
  }
}

/** Whether what an earlier process brought is of the file as it is now. */
function isOfState(state: Pick<PartialFileState, "etag" | "sizeBytes"> | DownloadState, file: VersionFile): boolean {
  const sameEtag = file.etag === undefined || file.etag === state.etag;
  return sameEtag && (file.sizeBytes === undefined || file.sizeBytes === state.sizeBytes);
}

/** The manifest as it is kept beside the version. */
function manifestRecord({ manifest }: VersionPlan): Pick<VersionRecord, "manifest"> {
  if (manifest === undefined) return {};
  const base64 = Buffer.from(manifest.bytes).toString("base64");
  const signature = manifest.signature && Buffer.from(manifest.signature).toString("base64");
  return { manifest: { base64, ...(signature !== undefined && { signature }) } };
}

function sum(total: number | undefined, part: number | undefined): number | undefined {
  return total === undefined || part === undefined ? undefined : total + part;
}
