import { randomUUID } from "node:crypto";
import type { ObjectStore } from "./object-store.ts";
import type { ObjectWriter } from "./object-writer.ts";
import { DEFAULT_RETRY_POLICY, withRetries } from "./retry.ts";
import { readSmallObject } from "./small-object.ts";
import { StorageFailure } from "./storage-failure.ts";
import {
  CLAIM_FILE,
  MANIFEST_FILE,
  MANIFEST_SIGNATURE_FILE,
  MAX_MANIFEST_BYTES,
  type ManifestFile,
} from "./version-manifest.ts";

/** A repository that can be written to. */
export interface WritableRepository {
  readonly store: ObjectStore;
  readonly writer: ObjectWriter;
  /** Of the folder that holds the versions; empty for the whole store. */
  readonly key: string;
}

/** A version that is to be published. */
export interface NewVersion {
  readonly version: number;
  /** The manifest names these files, with these digests. */
  readonly files: readonly (ManifestFile & { readonly path: string })[];
  readonly manifest: Uint8Array;
  readonly signature: Uint8Array | undefined;
}

/** Told how publishing goes. */
export interface PublishObserver {
  progressed(bytesDone: number, bytesTotal: number): void;
  /** The storage knows no conditional writes: nothing keeps two who publish the same version at once from mixing them. */
  unprotected(): void;
}

/** The number has been taken: by a version, or by somebody who is publishing one. Nothing was changed. */
export class VersionTakenError extends Error {
  override name = "VersionTakenError";
  readonly version: number;

  constructor(version: number, message: string) {
    super(message);
    this.version = version;
  }
}

/** After a failure or an abort, for taking back what was written. */
const CLEAN_UP_DEADLINE_MS = 30_000;
const MAX_CLAIM_BYTES = 1_024;

/**
 * Publishes a version. A reader sees it as a whole or not at all, and of several that publish the same number one
 * succeeds: first a claim is written, which is also the sign for readers that the version is not there yet; then the
 * files, the model after its data; the signature; and last the manifest. What was written is removed again when this
 * fails before the manifest.
 * Throws VersionTakenError, StorageFailure, or the signal's reason.
 */
export async function publishVersion(
  repository: WritableRepository,
  version: NewVersion,
  observer: PublishObserver,
  signal: AbortSignal,
): Promise<void> {
  await new Publication(repository, version, observer).run(signal);
}

class Publication {
  readonly #store: ObjectStore;
  readonly #writer: ObjectWriter;
  readonly #version: NewVersion;
  readonly #observer: PublishObserver;
  readonly #folder: string;
  readonly #claim = Buffer.from(JSON.stringify({ token: randomUUID(), startedAt: new Date().toISOString() }));
  /** Keys of what may have been written. */
  readonly #written: string[] = [];

  constructor({ store, writer, key }: WritableRepository, version: NewVersion, observer: PublishObserver) {
    this.#store = store;
    this.#writer = writer;
    this.#version = version;
    this.#observer = observer;
    this.#folder = key === "" ? String(version.version) : `${key}/${version.version}`;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { signature } = this.#version;
    try {
      await this.#claimVersion(signal);
      await this.#refuseTaken(signal);
      await this.#uploadFiles(signal);
      if (signature !== undefined) await this.#create(MANIFEST_SIGNATURE_FILE, signature, signal);
    } catch (error) {
      await this.#cleanUp();
      throw error;
    }
    await this.#commit(signal);
  }

  async #claimVersion(signal: AbortSignal): Promise<void> {
    const key = this.#key(CLAIM_FILE);
    // "exists" may be the answer to a request of ours that was repeated.
    if ((await this.#writer.claim(key, this.#claim, signal)) === "exists" && !(await this.#holdsClaim(signal)))
      throw this.#taken("somebody is publishing it, or was interrupted");
    if ((await this.#writer.claim(key, this.#claim, signal)) === "created") this.#observer.unprotected();
    if (!(await this.#holdsClaim(signal))) throw this.#taken("somebody else has begun to publish it");
  }

  async #refuseTaken(signal: AbortSignal): Promise<void> {
    const list = (inner: AbortSignal) => this.#store.list(this.#folder, { recursive: true }, inner);
    const entries = await withRetries(list, DEFAULT_RETRY_POLICY, this.#place(), signal);
    if (entries.some(({ name }) => name === MANIFEST_FILE)) throw this.#taken("it has been published");
    const other = entries.find(({ kind, name }) => kind !== "folder" && name !== CLAIM_FILE);
    if (other !== undefined) throw this.#taken("there are files in its folder");
  }

  async #uploadFiles(signal: AbortSignal): Promise<void> {
    const { files } = this.#version;
    const totalBytes = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
    let before = 0;
    // Who knows no claims takes a folder for a version as soon as there is a model in it.
    for (const file of files.toSorted((a, b) => Number(isModel(a)) - Number(isModel(b)))) {
      const key = this.#key(file.name);
      this.#written.push(key);
      const report = (bytesDone: number): void => this.#observer.progressed(before + bytesDone, totalBytes);
      const { result, sha256 } = await this.#writer.upload(key, file, report, signal);
      if (result === "exists") throw this.#appeared(file.name);
      if (sha256 !== file.sha256)
        throw new StorageFailure("ChecksumMismatch", `${file.path} was changed while it was published`);
      before += file.sizeBytes;
    }
  }

  /** From the moment at which the manifest was sent nothing may be removed any more: it may have arrived. */
  async #commit(signal: AbortSignal): Promise<void> {
    const { manifest } = this.#version;
    let isPublished = false;
    try {
      isPublished =
        (await this.#writer.create(this.#key(MANIFEST_FILE), manifest, signal)) === "created" ||
        (await this.#holds(MANIFEST_FILE, manifest, MAX_MANIFEST_BYTES, signal));
    } catch (error) {
      const known = await this.#tryToLook();
      if (known === "unknown" || (known === "absent" && signal.aborted)) throw this.#unknown(error);
      if (known === "absent") {
        await this.#cleanUp();
        throw error;
      }
      isPublished = true;
    }
    if (!isPublished) throw this.#appeared(MANIFEST_FILE);
    await this.#removeClaim();
  }

  /** What there is in the manifest's place. */
  async #tryToLook(): Promise<"ours" | "absent" | "unknown"> {
    const signal = AbortSignal.timeout(CLEAN_UP_DEADLINE_MS);
    try {
      if ((await this.#store.head(this.#key(MANIFEST_FILE), signal)) === undefined) return "absent";
      const isOurs = await this.#holds(MANIFEST_FILE, this.#version.manifest, MAX_MANIFEST_BYTES, signal);
      return isOurs ? "ours" : "unknown";
    } catch {
      return "unknown";
    }
  }

  async #create(name: string, content: Uint8Array, signal: AbortSignal): Promise<void> {
    const key = this.#key(name);
    this.#written.push(key);
    if ((await this.#writer.create(key, content, signal)) === "created") return;
    if (!(await this.#holds(name, content, content.length, signal))) throw this.#appeared(name);
  }

  /** Removes what was written, and the claim last: without it, what is left could be taken for a version. */
  async #cleanUp(): Promise<void> {
    const signal = AbortSignal.timeout(CLEAN_UP_DEADLINE_MS);
    try {
      if (!(await this.#holdsClaim(signal))) return;
      for (const key of this.#written) await this.#writer.remove(key, signal);
      await this.#writer.remove(this.#key(CLAIM_FILE), signal);
    } catch {
      // The claim stays, and says that this is no version.
    }
  }

  /** Beside a manifest it means nothing. */
  async #removeClaim(): Promise<void> {
    try {
      await this.#writer.remove(this.#key(CLAIM_FILE), AbortSignal.timeout(CLEAN_UP_DEADLINE_MS));
    } catch {
      // Who may not remove files can publish all the same.
    }
  }

  #holdsClaim(signal: AbortSignal): Promise<boolean> {
    return this.#holds(CLAIM_FILE, this.#claim, MAX_CLAIM_BYTES, signal);
  }

  /** Whether a small file has this content. */
  async #holds(name: string, content: Uint8Array, maxBytes: number, signal: AbortSignal): Promise<boolean> {
    const key = this.#key(name);
    const read = async (inner: AbortSignal): Promise<boolean> =>
      Buffer.from(content).equals(await readSmallObject(this.#store, key, maxBytes, inner));
    try {
      return await withRetries(read, DEFAULT_RETRY_POLICY, this.#store.describe(key), signal);
    } catch (error) {
      if (error instanceof StorageFailure && error.reason === "StorageNotFound") return false;
      throw error;
    }
  }

  #unknown(cause: unknown): StorageFailure {
    const { version } = this.#version;
    return new StorageFailure(
      "StorageUnreachable",
      `whether version ${version} is published is not known, as ${this.#store.describe(this.#key(MANIFEST_FILE))} ` +
        "was being written: lockstep versions shows it",
      { cause },
    );
  }

  #key(name: string): string {
    return `${this.#folder}/${name}`;
  }

  #place(): string {
    return this.#store.describe(this.#folder);
  }

  #taken(why: string): VersionTakenError {
    const { version } = this.#version;
    return new VersionTakenError(version, `version ${version} is taken (${this.#place()}): ${why}`);
  }

  #appeared(name: string): VersionTakenError {
    return this.#taken(`${name} was written by somebody else meanwhile`);
  }
}

function isModel({ name }: ManifestFile): boolean {
  return name.endsWith(".onnx");
}
