import * as z from "zod";
import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import { tokenFor } from "./access-token.ts";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { exchange, readBytes, readJson, readProblem, statusFailure, type ServiceResponse } from "./http-exchange.ts";
import { openAnswered, rangeHeaders } from "./http-object.ts";
import { refuseLongListing, type ObjectInfo, type ObjectStore, type StoredEntry } from "./object-store.ts";
import { checksumOf, hasDigest, listArtifact, MANIFEST_TYPES, readArtifact, type OciFile } from "./oci-artifact.ts";
import { authorize, parseChallenge } from "./oci-authorization.ts";
import { findOciCredentials, type OciCredentials } from "./oci-credentials.ts";
import { discardBody } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

/** How to reach a repository of a registry. */
export interface OciStoreOptions {
  /** HOST or HOST:PORT. */
  readonly registry: string;
  readonly repository: string;
  /** `:TAG` or `@DIGEST`; without it every tag that is an integer is a version. */
  readonly reference: string | undefined;
  readonly storage: Pick<StorageOptions, "endpoint" | "anonymous">;
  /** Where the credentials are. */
  readonly environment: Environment;
  /** Not disposed of by the store. */
  readonly http: HttpClient;
}

const EXPECTED = "an OCI registry";
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

const tagList = z.object({ tags: z.array(z.string()).nullish() });
const problem = z.object({ errors: z.array(z.object({ code: z.string().max(64) })).min(1) });

/**
 * Opens a repository of an OCI registry: an artifact's files, or a folder for each tag. Does no I/O yet. What is an etag
 * elsewhere is the content's digest here, so a file is what it was when it was listed, whatever its tag names by then.
 */
export function createOciStore(options: OciStoreOptions): ObjectStore {
  const { registry, repository, reference, storage, environment, http } = options;
  const endpoint = new URL(
    storage.endpoint ?? `https://${registry === "docker.io" ? "registry-1.docker.io" : registry}`,
  );
  const server = redactUri(endpoint.origin);
  const base = `${endpoint.origin}/v2/${repository}`;
  const describe = (key: string): string => {
    const [tag = "", ...rest] = key.split("/");
    const [from, file] = reference === undefined ? [tag === "" ? "" : `:${tag}`, rest.join("/")] : [reference, key];
    return redactUri(`oci://${registry}/${repository}${from}${file === "" ? "" : `/${file}`}`);
  };
  /** What the registry took last. */
  let authorization: string | undefined;

  const ask = async (
    address: string,
    headers: Readonly<Record<string, string>>,
    key: string,
    signal: AbortSignal,
  ): Promise<ServiceResponse> => {
    const send = (): Promise<ServiceResponse> => {
      const secretHeaders = authorization === undefined ? {} : { authorization };
      return exchange(http, { url: new URL(address), headers, secretHeaders, place: describe(key) }, signal);
    };
    const answer = await send();
    const challenge = answer.status === 401 ? parseChallenge(answer.headers["www-authenticate"]) : undefined;
    if (challenge === undefined) return answer;
    const next = await tokenFor(describe(key), () =>
      authorize(challenge, { http, registry: endpoint, repository, credentials: credentials() }, signal),
    );
    if (next === undefined) return answer;
    await discardBody(answer.body);
    authorization = next;
    return await send();
  };
  const credentials = (): OciCredentials | undefined =>
    storage.anonymous ? undefined : findOciCredentials(environment, registry, repository);

  const failure = async (key: string, response: HttpClientResponse, signal: AbortSignal): Promise<StorageFailure> => {
    const { status } = response;
    const said = (await readProblem(response, problem, signal))?.errors[0]?.code ?? "";
    const code = /^[A-Z_]+$/.test(said) ? `${status} ${said}` : String(status);
    if (status === 404) {
      const what = said === "NAME_UNKNOWN" ? `repository "${repository}"` : describe(key);
      return new StorageFailure("StorageNotFound", `${what} does not exist at ${server}`);
    }
    if (status !== 401 && status !== 403) return statusFailure(status, server);
    const advice =
      credentials() === undefined
        ? "without credentials: it is not public, or does not exist; name a Secret in storage.secretRef"
        : "with the user of storage.secretRef: the password must be right, and the user needs the right to pull";
    return new StorageFailure("StorageAccessDenied", `access to ${describe(key)} was denied (${code}) ${advice}`);
  };

  const fetchArtifact = async (from: string, key: string, signal: AbortSignal): Promise<readonly OciFile[]> => {
    const pinned = from.startsWith("@") ? from.slice(1) : undefined;
    const answer = await ask(`${base}/manifests/${from.slice(1)}`, { accept: MANIFEST_TYPES }, key, signal);
    if (answer.status !== 200) throw await failure(key, answer, signal);
    const bytes = await readBytes(answer, server, signal, MAX_MANIFEST_BYTES);
    const promised = pinned ?? answer.headers["docker-content-digest"] ?? "";
    if (!hasDigest(bytes, promised))
      throw new StorageFailure("ChecksumMismatch", `the manifest of ${describe(key)} has not the digest ${promised}`);
    return readArtifact(bytes, describe(key));
  };

  /** A key's artifact, as a reference, and the rest of the key; undefined for the folder of all tags. */
  const split = (
    key: string,
  ): { readonly from: string; readonly artifact: string; readonly path: string } | undefined => {
    if (reference !== undefined) return { from: reference, artifact: "", path: key };
    const [tag = "", ...rest] = key.split("/");
    return tag === "" ? undefined : { from: `:${tag}`, artifact: tag, path: rest.join("/") };
  };

  const listTags = async (signal: AbortSignal): Promise<readonly StoredEntry[]> => {
    const entries: StoredEntry[] = [];
    let next: string | undefined = `${base}/tags/list?n=1000`;
    while (next !== undefined) {
      const answer: ServiceResponse = await ask(next, {}, "", signal);
      if (answer.status !== 200) throw await failure("", answer, signal);
      const { tags } = await readJson(answer, tagList, { server, expected: EXPECTED }, signal);
      entries.push(...(tags ?? []).map((name) => ({ kind: "folder", name }) as const));
      refuseLongListing(entries.length, describe(""));
      next = nextPage(answer.headers["link"], next);
    }
    return entries;
  };

  const find = async (key: string, signal: AbortSignal): Promise<OciFile | undefined> => {
    const place = split(key);
    if (place === undefined || place.path === "") return undefined;
    const files = await fetchArtifact(place.from, place.artifact, signal);
    return files.find(({ name }) => name === place.path);
  };

  return {
    describe,
    list: async (folder, { recursive }, signal) => {
      const place = split(folder);
      if (place === undefined) return await listTags(signal);
      return listArtifact(await fetchArtifact(place.from, place.artifact, signal), place.path, recursive);
    },
    head: async (key, signal): Promise<ObjectInfo | undefined> => {
      const file = await find(key, signal);
      if (file === undefined) return undefined;
      return { sizeBytes: file.sizeBytes, etag: `"${file.digest}"`, checksums: [checksumOf(file.digest)] };
    },
    open: async (key, openOptions, signal) => {
      const digest = openOptions.ifMatch?.replaceAll('"', "") ?? (await find(key, signal))?.digest;
      if (digest === undefined)
        throw new StorageFailure("StorageNotFound", `${describe(key)} does not exist at ${server}`);
      const answer = await ask(`${base}/blobs/${digest}`, rangeHeaders(openOptions), key, signal);
      return await openAnswered(
        answer,
        openOptions,
        {
          place: describe(key),
          etag: `"${digest}"`,
          checksums: [checksumOf(digest)],
          failure: (response) => failure(key, response, signal),
        },
        signal,
      );
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The address of a list's next page, which must be of the same server. */
function nextPage(link: string | undefined, current: string): string | undefined {
  const target = /<([^>]*)>\s*;\s*rel="?next"?/.exec(link ?? "")?.[1];
  const url = target === undefined ? null : URL.parse(target, current);
  return url === null || url.origin !== new URL(current).origin ? undefined : url.href;
}
