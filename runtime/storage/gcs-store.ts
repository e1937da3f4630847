import * as z from "zod";
import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import { checksumFromBase64, checksumsFromHeaders } from "./announced-checksum.ts";
import { tokenFor } from "./access-token.ts";
import { createGoogleCredentials, type GoogleIdentity } from "./google-credentials.ts";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { exchange, readJson, readProblem, statusFailure, type ServiceResponse } from "./http-exchange.ts";
import { openAnswered, rangeHeaders } from "./http-object.ts";
import { refuseLongListing, type ObjectInfo, type ObjectStore, type StoredEntry } from "./object-store.ts";
import { discardBody } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

/** How to reach a bucket of Google Cloud Storage. */
export interface GcsStoreOptions {
  readonly bucket: string;
  readonly storage: Pick<StorageOptions, "endpoint" | "anonymous">;
  /** Credentials as Google's libraries name them. */
  readonly environment: Environment;
  /** Neither is disposed of by the store. */
  readonly http: HttpClient;
  readonly metadataHttp: HttpClient;
}

const GOOGLE = "https://storage.googleapis.com";
const EXPECTED = "Google Cloud Storage";

const digits = z.string().regex(/^\d{1,19}$/);
const objectInfo = z.object({
  size: digits,
  generation: digits,
  md5Hash: z.string().optional(),
  crc32c: z.string().optional(),
});
const listing = z.object({
  items: z.array(z.object({ name: z.string(), size: digits, generation: digits })).default([]),
  prefixes: z.array(z.string()).default([]),
  nextPageToken: z.string().optional(),
});
const problem = z.object({
  error: z.object({
    message: z.string().default(""),
    errors: z.array(z.object({ reason: z.string().max(64) })).default([]),
  }),
});

/**
 * Opens a bucket of Google Cloud Storage by its JSON API. Does no I/O yet. What is an etag elsewhere is the object's
 * generation here: each upload has another one.
 */
export function createGcsStore(options: GcsStoreOptions): ObjectStore {
  const { bucket, storage, http } = options;
  const endpoint = (storage.endpoint ?? GOOGLE).replace(/\/$/, "");
  const server = redactUri(endpoint);
  const describe = (key: string): string => redactUri(`gs://${bucket}/${key}`);
  const credentials = storage.anonymous ? undefined : createGoogleCredentials(options);
  const identity = credentials?.identity ?? "anonymous";
  const objectUrl = (key: string): string =>
    `${endpoint}/storage/v1/b/${encodeURIComponent(bucket)}/o/${encodeURIComponent(key)}`;

  const ask = async (
    key: string,
    address: string,
    query: Readonly<Record<string, string | undefined>>,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<ServiceResponse> => {
    const url = new URL(address);
    for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
    const secretHeaders =
      credentials === undefined ? {} : { authorization: `Bearer ${await tokenFor(describe(key), credentials.token)}` };
    return await exchange(http, { url, headers, secretHeaders, place: describe(key) }, signal);
  };

  const failure = async (key: string, response: HttpClientResponse, signal: AbortSignal): Promise<StorageFailure> => {
    const said = (await readProblem(response, problem, signal))?.error;
    return explain(response.status, said, { place: describe(key), server, identity });
  };

  const missingBucket = async ({ body }: HttpClientResponse): Promise<StorageFailure> => {
    await discardBody(body);
    return new StorageFailure("StorageNotFound", `bucket "${bucket}" does not exist at ${server}`);
  };

  return {
    describe,
    list: async (folder, { recursive }, signal) => {
      const prefix = folder === "" ? "" : `${folder}/`;
      const entries: StoredEntry[] = [];
      let pageToken: string | undefined;
      do {
        const answer = await ask(
          folder,
          `${endpoint}/storage/v1/b/${encodeURIComponent(bucket)}/o`,
          {
            prefix,
            ...(!recursive && { delimiter: "/" }),
            maxResults: "1000",
            pageToken,
            fields: "items(name,size,generation),prefixes,nextPageToken",
          },
          {},
          signal,
        );
        // A folder that is not there is empty; only the bucket can be missing.
        if (answer.status === 404) throw await missingBucket(answer);
        if (answer.status !== 200) throw await failure(folder, answer, signal);
        const page = await readJson(answer, listing, { server, expected: EXPECTED }, signal);
        for (const name of page.prefixes) entries.push({ kind: "folder", name: name.slice(prefix.length, -1) });
        for (const { name: key, size, generation } of page.items) {
          const name = key.slice(prefix.length);
          // Consoles make folders visible by empty objects whose names end in a slash.
          if (name !== "" && !(name.endsWith("/") && size === "0"))
            entries.push({ kind: "file", name, sizeBytes: Number(size), etag: etagOf(generation) });
        }
        refuseLongListing(entries.length, describe(folder));
        pageToken = page.nextPageToken;
      } while (pageToken !== undefined);
      return entries;
    },
    head: async (key, signal): Promise<ObjectInfo | undefined> => {
      if (key === "") return undefined;
      const answer = await ask(key, objectUrl(key), { fields: "size,generation,md5Hash,crc32c" }, {}, signal);
      if (answer.status === 404) {
        const said = (await readProblem(answer, problem, signal))?.error.message ?? "";
        if (/bucket/i.test(said)) throw await missingBucket(answer);
        return undefined;
      }
      if (answer.status !== 200) throw await failure(key, answer, signal);
      const info = await readJson(answer, objectInfo, { server, expected: EXPECTED }, signal);
      const checksums = [checksumFromBase64("md5", info.md5Hash), checksumFromBase64("crc32c", info.crc32c)];
      return {
        sizeBytes: Number(info.size),
        etag: etagOf(info.generation),
        checksums: checksums.filter((checksum) => checksum !== undefined),
      };
    },
    open: async (key, openOptions, signal) => {
      const generation = openOptions.ifMatch?.replaceAll('"', "");
      const query = { alt: "media", ifGenerationMatch: generation };
      const answer = await ask(key, objectUrl(key), query, rangeHeaders(openOptions), signal);
      const { headers } = answer;
      if (answer.status < 300 && headers["x-goog-stored-content-encoding"] === "gzip") {
        await discardBody(answer.body);
        // Its size and digests are those of the compressed form, and it cannot be sent in parts.
        throw new StorageFailure(
          "StorageUnreachable",
          `${describe(key)} is stored compressed (Content-Encoding: gzip): upload it as it is, for example without --gzip-local`,
        );
      }
      return await openAnswered(
        answer,
        openOptions,
        {
          place: describe(key),
          etag: etagOf(headers["x-goog-generation"]),
          // MD5 first: the first one is checked, and CRC32C has no native code here.
          checksums: checksumsFromHeaders(headers).toSorted((a, b) => (a.algorithm < b.algorithm ? 1 : -1)),
          failure: (response) => failure(key, response, signal),
        },
        signal,
      );
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

const ADVICE: Readonly<Record<GoogleIdentity | "anonymous", string>> = {
  anonymous: "without credentials (storage.anonymous): the bucket is not public; name a Secret in storage.secretRef",
  serviceAccountKey:
    "with the service account's key of storage.secretRef: it needs storage.objects.list and storage.objects.get (role Storage Object Viewer)",
  file: "with the identity of GOOGLE_APPLICATION_CREDENTIALS: it needs storage.objects.list and storage.objects.get (role Storage Object Viewer)",
  metadataServer:
    "with the ambient identity of the replica's service account: it needs storage.objects.list and storage.objects.get (role Storage Object Viewer); or name a Secret in storage.secretRef",
};

function explain(
  status: number,
  said: z.infer<typeof problem>["error"] | undefined,
  { place, server, identity }: { place: string; server: string; identity: GoogleIdentity | "anonymous" },
): StorageFailure {
  const reason = said?.errors[0]?.reason ?? "";
  const code = /^[A-Za-z]+$/.test(reason) ? `${status} ${reason}` : String(status);
  if (status === 404) return new StorageFailure("StorageNotFound", `${place} does not exist at ${server}`);
  // A quota that is used up is told by the status of a refusal.
  if (status === 403 && /rateLimit/i.test(reason))
    return new StorageFailure("StorageUnreachable", `${server} answered with status ${code}`, { transient: true });
  if (status === 401 || status === 403)
    return new StorageFailure("StorageAccessDenied", `access to ${place} was denied (${code}) ${ADVICE[identity]}`);
  return statusFailure(status, server);
}

function etagOf(generation: string | undefined): string | undefined {
  return generation === undefined ? undefined : `"${generation}"`;
}
