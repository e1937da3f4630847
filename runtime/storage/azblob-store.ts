import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import { tokenFor } from "./access-token.ts";
import { checksumFromBase64 } from "./announced-checksum.ts";
import { createAzureCredentials, sharedKeyAuthorization, type AzureCredentials } from "./azure-credentials.ts";
import { strongEtag } from "./etag.ts";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { exchange, readBytes, statusFailure, type ServiceResponse } from "./http-exchange.ts";
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
import { child, parseXml, type XmlElement } from "./xml-elements.ts";

/** How to reach a container of Azure Blob Storage. */
export interface AzblobStoreOptions {
  readonly account: string;
  readonly container: string;
  readonly storage: Pick<StorageOptions, "endpoint" | "anonymous">;
  /** Credentials as Azure's libraries name them. */
  readonly environment: Environment;
  /** Neither is disposed of by the store. */
  readonly http: HttpClient;
  readonly metadataHttp: HttpClient;
}

/** Of the service's interface; what it answers depends on it. */
const API_VERSION = "2021-12-02";

/** Opens a container of Azure Blob Storage by its REST API. Does no I/O yet. */
export function createAzblobStore(options: AzblobStoreOptions): ObjectStore {
  const { account, container, storage, http } = options;
  const base = baseUrlOf(account, storage.endpoint);
  const server = redactUri(new URL(base).origin);
  const describe = (key: string): string => redactUri(`azblob://${account}/${container}/${key}`);
  /** Made when it is asked for first: it may have to say that something is missing. */
  let found: AzureCredentials | undefined;
  const credentialsOf = (): AzureCredentials =>
    (found ??= storage.anonymous ? { identity: "anonymous" } : createAzureCredentials(options));

  const ask = async (
    method: "GET" | "HEAD",
    key: string,
    { query = {}, headers = {}, isListing = false }: Question,
    signal: AbortSignal,
  ): Promise<ServiceResponse> => {
    const credentials = await tokenFor(describe(key), credentialsOf);
    const path = isListing ? "" : `/${key.split("/").map(encodeURIComponent).join("/")}`;
    const url = new URL(`${base}/${container}${path}`);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    if (credentials.identity === "sas")
      for (const [name, value] of new URLSearchParams(credentials.query)) url.searchParams.append(name, value);
    // A blank as '+' is signed as a plus by some.
    url.search = url.search.replaceAll("+", "%20");
    const sent = { ...headers, "x-ms-version": API_VERSION, "x-ms-date": new Date().toUTCString() };
    const authorization =
      "token" in credentials
        ? `Bearer ${await tokenFor(describe(key), credentials.token)}`
        : credentials.identity === "accountKey"
          ? sharedKeyAuthorization(method, url, sent, { account, key: credentials.key })
          : undefined;
    const secretHeaders = authorization === undefined ? {} : { authorization };
    return await exchange(http, { method, url, headers: sent, secretHeaders, place: describe(key) }, signal);
  };

  const failure = async (key: string, response: HttpClientResponse): Promise<StorageFailure> => {
    await discardBody(response.body);
    return explain(response, {
      account,
      container,
      place: describe(key),
      server,
      identity: credentialsOf().identity,
    });
  };

  return {
    describe,
    list: async (folder, { recursive }, signal) => {
      const prefix = folder === "" ? "" : `${folder}/`;
      const entries: StoredEntry[] = [];
      let marker = "";
      do {
        const query = {
          restype: "container",
          comp: "list",
          include: "metadata",
          prefix,
          ...(!recursive && { delimiter: "/" }),
          ...(marker !== "" && { marker }),
        };
        const answer = await ask("GET", folder, { query, isListing: true }, signal);
        if (answer.status !== 200) throw await failure(folder, answer);
        const page = parseListing((await readBytes(answer, server, signal)).toString("utf8"), prefix);
        if (page === undefined)
          throw new StorageFailure(
            "StorageUnreachable",
            `${server} does not answer as Azure Blob Storage: check storage.endpoint`,
          );
        entries.push(...page.entries);
        refuseLongListing(entries.length, describe(folder));
        marker = page.nextMarker;
      } while (marker !== "");
      return entries;
    },
    head: async (key, signal): Promise<ObjectInfo | undefined> => {
      if (key === "") return undefined;
      const answer = await ask("HEAD", key, {}, signal);
      const { status, headers } = answer;
      if (status === 404 && headers["x-ms-error-code"] !== "ContainerNotFound") return undefined;
      if (status !== 200) throw await failure(key, answer);
      // Of accounts with a hierarchical namespace.
      if (headers["x-ms-resource-type"] === "directory" || headers["x-ms-meta-hdi_isfolder"] === "true")
        return undefined;
      return {
        sizeBytes: Number(headers["content-length"]),
        etag: strongEtag(headers["etag"]),
        checksums: checksumsOf(headers["content-md5"]),
      };
    },
    open: async (key, openOptions, signal) => {
      const { ifMatch } = openOptions;
      const conditions = { ...rangeHeaders(openOptions), ...(ifMatch !== undefined && { "if-match": ifMatch }) };
      const answer = await ask("GET", key, { headers: conditions }, signal);
      const { status, headers } = answer;
      return await openAnswered(
        answer,
        openOptions,
        {
          place: describe(key),
          etag: strongEtag(headers["etag"]),
          checksums: checksumsOf(status === 200 ? headers["content-md5"] : headers["x-ms-blob-content-md5"]),
          failure: (response) => failure(key, response),
        },
        signal,
      );
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

interface Question {
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the container is asked, and not one of its blobs. */
  readonly isListing?: boolean;
}

/** Of emulators, and behind addresses that do not begin with the account's name, the account is part of the path. */
function baseUrlOf(account: string, endpoint: string | undefined): string {
  if (endpoint === undefined) return `https://${account}.blob.core.windows.net`;
  const { origin, hostname } = new URL(endpoint);
  return hostname.startsWith(`${account}.`) ? origin : `${origin}/${account}`;
}

function checksumsOf(md5: string | undefined): readonly AnnouncedChecksum[] {
  const checksum = checksumFromBase64("md5", md5);
  return checksum === undefined ? [] : [checksum];
}

function parseListing(
  text: string,
  prefix: string,
): { readonly entries: readonly StoredEntry[]; readonly nextMarker: string } | undefined {
  const root = parseXml(text);
  const blobs = root?.name === "EnumerationResults" ? child(root, "Blobs") : undefined;
  if (root === undefined || blobs === undefined) return undefined;
  const entries = blobs.children.map((element) => entryOf(element, prefix)).filter((entry) => entry !== undefined);
  return { entries, nextMarker: child(root, "NextMarker")?.text ?? "" };
}

function entryOf(element: XmlElement, prefix: string): StoredEntry | undefined {
  const text = (of: XmlElement | undefined, name: string): string | undefined =>
    of === undefined ? undefined : child(of, name)?.text;
  const name = text(element, "Name")?.slice(prefix.length) ?? "";
  if (element.name === "BlobPrefix") return { kind: "folder", name: name.replace(/\/$/, "") };
  const properties = child(element, "Properties");
  const sizeBytes = Number(text(properties, "Content-Length") ?? Number.NaN);
  if (element.name !== "Blob" || name === "" || !Number.isSafeInteger(sizeBytes)) return undefined;
  // Folders are made visible by empty blobs.
  const isFolder =
    text(properties, "ResourceType") === "directory" ||
    text(child(element, "Metadata"), "hdi_isfolder") === "true" ||
    (name.endsWith("/") && sizeBytes === 0);
  return isFolder ? undefined : { kind: "file", name, sizeBytes, etag: strongEtag(text(properties, "Etag")) };
}

const NEEDS = "it needs to list and read blobs (role Storage Blob Data Reader)";
const ADVICE: Readonly<Record<AzureCredentials["identity"], string>> = {
  anonymous: "without credentials (storage.anonymous): the container is not public; name a Secret in storage.secretRef",
  accountKey: "with the account's key: check AZURE_STORAGE_ACCESS_KEY of the Secret, and that the account allows keys",
  sas: "with the shared access signature: it must not have expired, and must allow to list and read (sp=rl) the container",
  clientSecret: `with the client of storage.secretRef: ${NEEDS}`,
  workloadIdentity: `with the workload identity of the replica's service account: ${NEEDS}`,
  managedIdentity: `with the managed identity of the node: ${NEEDS}; or name a Secret in storage.secretRef`,
};

function explain(
  { status, headers }: HttpClientResponse,
  {
    account,
    container,
    place,
    server,
    identity,
  }: {
    readonly account: string;
    readonly container: string;
    readonly place: string;
    readonly server: string;
    readonly identity: AzureCredentials["identity"];
  },
): StorageFailure {
  const said = headers["x-ms-error-code"] ?? "";
  const code = /^[A-Za-z]{1,64}$/.test(said) ? `${status} ${said}` : String(status);
  if (said === "ContainerNotFound" || said === "ContainerBeingDeleted")
    return new StorageFailure("StorageNotFound", `container "${container}" does not exist in account ${account}`);
  if (status === 404) return new StorageFailure("StorageNotFound", `${place} does not exist at ${server} (${code})`);
  // An account that forbids public access says so by a conflict.
  if (status === 401 || status === 403 || said === "PublicAccessNotPermitted" || said === "BlobArchived") {
    const advice = said === "BlobArchived" ? "the blob is archived; rehydrate it first" : ADVICE[identity];
    return new StorageFailure("StorageAccessDenied", `access to ${place} was denied (${code}) ${advice}`);
  }
  return statusFailure(status, server, said === "" ? "" : ` (${code})`);
}
