import * as z from "zod";
import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { exchange, readJson, statusFailure, type ServiceRequest, type ServiceResponse } from "./http-exchange.ts";
import { openAnswered, rangeHeaders } from "./http-object.ts";
import {
  refuseLongListing,
  type AnnouncedChecksum,
  type ObjectInfo,
  type ObjectStore,
  type StoredEntry,
} from "./object-store.ts";
import { discardBody } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

/** How to reach a repository of a Hugging Face hub. */
export interface HfStoreOptions {
  /** ORG/REPO. */
  readonly repository: string;
  /** A branch, tag or commit; default: main. */
  readonly revision: string | undefined;
  readonly storage: Pick<StorageOptions, "endpoint" | "anonymous">;
  /** Where HF_TOKEN is, and HF_ENDPOINT. */
  readonly environment: Environment;
  /** Not disposed of by the store. */
  readonly http: HttpClient;
}

const EXPECTED = "a Hugging Face hub";

const objectId = z.string().regex(/^[0-9a-f]{40}$|^[0-9a-f]{64}$/);
const treeEntries = z.array(
  z.object({
    type: z.string(),
    path: z.string(),
    size: z.int().min(0),
    oid: objectId,
    lfs: z.object({ oid: objectId, size: z.int().min(0) }).optional(),
  }),
);
const revisionInfo = z.object({ sha: z.string().regex(/^[0-9a-f]{40}$/) });

/**
 * Opens a repository of the Hugging Face hub by its HTTP API. Does no I/O yet. What is an etag elsewhere is the id of the
 * content here: SHA-256 of large files, git's id of small ones. Each file is read from the commit in which it was listed.
 */
export function createHfStore(options: HfStoreOptions): ObjectStore {
  const { repository, revision = "main", storage, environment, http } = options;
  const endpoint = (storage.endpoint ?? environment["HF_ENDPOINT"] ?? "https://huggingface.co").replace(/\/$/, "");
  const server = redactUri(endpoint);
  const token = storage.anonymous ? undefined : environment["HF_TOKEN"] || undefined;
  const shownRevision = options.revision === undefined ? "" : `@${options.revision}`;
  const describe = (key: string): string =>
    redactUri(`hf://${repository}${shownRevision}${key === "" ? "" : `/${key}`}`);
  /** In which commit a state of a file was listed last. */
  const commits = new Map<string, string>();

  const ask = (
    path: string,
    key: string,
    signal: AbortSignal,
    request: Pick<ServiceRequest, "method" | "headers" | "body"> = {},
  ): Promise<ServiceResponse> => {
    const secretHeaders = token === undefined ? {} : { authorization: `Bearer ${token}` };
    return exchange(http, { ...request, url: new URL(endpoint + path), secretHeaders, place: describe(key) }, signal);
  };

  const failure = async (key: string, { status, headers, body }: HttpClientResponse): Promise<StorageFailure> => {
    await discardBody(body);
    const code = headers["x-error-code"] ?? "";
    if (code === "RevisionNotFound")
      return new StorageFailure("StorageNotFound", `hf://${repository} has no revision "${revision}" at ${server}`);
    if (code === "GatedRepo")
      return new StorageFailure(
        "StorageAccessDenied",
        `access to ${describe(key)} was denied (${status} GatedRepo): the user of HF_TOKEN must accept the repository's conditions on its page`,
      );
    // Without a token the hub does not tell what is private from what is not there.
    if (status === 401 || status === 403) {
      const advice =
        token === undefined
          ? "without a token: it is private, or does not exist; name a Secret with HF_TOKEN in storage.secretRef"
          : "with HF_TOKEN: it must be valid and allow to read the repository's contents";
      return new StorageFailure("StorageAccessDenied", `access to ${describe(key)} was denied (${status}) ${advice}`);
    }
    if (status === 404) {
      const what = code === "RepoNotFound" ? `repository "${repository}"` : describe(key);
      const unless = token === undefined ? "" : ", or HF_TOKEN does not allow to see it";
      return new StorageFailure("StorageNotFound", `${what} does not exist at ${server}${unless}`);
    }
    return statusFailure(status, server);
  };

  const findCommit = async (key: string, signal: AbortSignal): Promise<string> => {
    if (/^[0-9a-f]{40}$/.test(revision)) return revision;
    const answer = await ask(`/api/models/${repository}/revision/${encodeURIComponent(revision)}`, key, signal);
    if (answer.status !== 200) throw await failure(key, answer);
    return (await readJson(answer, revisionInfo, { server, expected: EXPECTED }, signal)).sha;
  };

  const readEntries = async (answer: ServiceResponse, commit: string, signal: AbortSignal): Promise<HfEntry[]> => {
    const entries = await readJson(answer, treeEntries, { server, expected: EXPECTED }, signal);
    return entries.map(({ type, path, size, oid, lfs }) => {
      const etag = `"${lfs?.oid ?? oid}"`;
      if (type === "file") commits.set(`${etag} ${path}`, commit);
      return { isFile: type === "file", path, sizeBytes: lfs?.size ?? size, etag };
    });
  };

  const find = async (key: string, signal: AbortSignal): Promise<HfEntry | undefined> => {
    if (key === "") return undefined;
    const commit = await findCommit(key, signal);
    const answer = await ask(`/api/models/${repository}/paths-info/${commit}`, key, signal, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ paths: [key] }),
    });
    if (answer.status !== 200) throw await failure(key, answer);
    return (await readEntries(answer, commit, signal)).find(({ isFile, path }) => isFile && path === key);
  };

  return {
    describe,
    list: async (folder, { recursive }, signal) => {
      const commit = await findCommit(folder, signal);
      const prefix = folder === "" ? "" : `${folder}/`;
      const address = `/api/models/${repository}/tree/${commit}${folder === "" ? "" : `/${escapePath(folder)}`}`;
      const entries: StoredEntry[] = [];
      let cursor: string | undefined;
      do {
        const query = new URLSearchParams({ limit: "1000", ...(recursive && { recursive: "true" }) });
        if (cursor !== undefined) query.set("cursor", cursor);
        const answer = await ask(`${address}?${query.toString()}`, folder, signal);
        if (answer.status === 404 && answer.headers["x-error-code"] === "EntryNotFound") {
          await discardBody(answer.body);
          return [];
        }
        if (answer.status !== 200) throw await failure(folder, answer);
        for (const { isFile, path, sizeBytes, etag } of await readEntries(answer, commit, signal)) {
          const name = path.slice(prefix.length);
          const [digest] = checksumsOf(etag);
          if (isFile) entries.push({ kind: "file", name, sizeBytes, etag, ...(digest && { sha256: digest.hex }) });
          else if (!recursive) entries.push({ kind: "folder", name });
        }
        refuseLongListing(entries.length, describe(folder));
        cursor = nextCursor(answer.headers["link"]);
      } while (cursor !== undefined);
      return entries;
    },
    head: async (key, signal): Promise<ObjectInfo | undefined> => {
      const entry = await find(key, signal);
      return entry && { sizeBytes: entry.sizeBytes, etag: entry.etag, checksums: checksumsOf(entry.etag) };
    },
    open: async (key, openOptions, signal) => {
      const etag = openOptions.ifMatch ?? (await find(key, signal))?.etag;
      const commit = commits.get(`${etag} ${key}`);
      if (etag === undefined || commit === undefined) return { kind: "changed" };
      const address = `/${repository}/resolve/${commit}/${escapePath(key)}`;
      const answer = await ask(address, key, signal, { headers: rangeHeaders(openOptions) });
      return await openAnswered(
        answer,
        openOptions,
        {
          place: describe(key),
          // What a commit holds does not change.
          etag,
          checksums: checksumsOf(etag),
          failure: (response) => failure(key, response),
        },
        signal,
      );
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

interface HfEntry {
  readonly isFile: boolean;
  /** From the repository's root. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
}

/** Large files are named by their SHA-256; git's id of a small one is not the digest of its bytes alone. */
function checksumsOf(etag: string): readonly AnnouncedChecksum[] {
  const hex = etag.replaceAll('"', "");
  return hex.length === 64 ? [{ algorithm: "sha256", hex }] : [];
}

/** The cursor alone: the address of the next page may be that of another host, behind a mirror. */
function nextCursor(link: string | undefined): string | undefined {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  const url = target === undefined ? null : URL.parse(target, "http://hub");
  return url?.searchParams.get("cursor") ?? undefined;
}

function escapePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}
