import * as z from "zod";
import type { Environment } from "../../common/environment.ts";
import type { StorageOptions } from "../../common/runtime-config.ts";
import { strongEtag } from "./etag.ts";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { exchange, readJson, readProblem, statusFailure, type ServiceResponse } from "./http-exchange.ts";
import { openAnswered, rangeHeaders } from "./http-object.ts";
import {
  refuseLongListing,
  type ObjectInfo,
  type ObjectStore,
  type OpenResult,
  type StoredEntry,
} from "./object-store.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

/** Which versions of a registered model there are to see. */
export type MlflowSelection =
  | { readonly kind: "all" }
  | { readonly kind: "version"; readonly version: string }
  | { readonly kind: "alias"; readonly alias: string };

/** How to reach a registered model. */
export interface MlflowStoreOptions {
  /** The registered model; without quotes. */
  readonly name: string;
  readonly selection: MlflowSelection;
  readonly storage: Pick<StorageOptions, "endpoint" | "anonymous">;
  /** Credentials as MLflow's client names them, and MLFLOW_TRACKING_URI. */
  readonly environment: Environment;
  /** Not disposed of by the store. */
  readonly http: HttpClient;
}

const EXPECTED = "an MLflow tracking server";
/** Folders deeper than this belong to no model. */
const MAX_DEPTH = 8;

const modelVersion = z.object({ version: z.coerce.string().regex(/^\d{1,16}$/), status: z.string().optional() });
const versionAnswer = z.object({ model_version: modelVersion });
const searchAnswer = z.object({
  model_versions: z.array(modelVersion).default([]),
  next_page_token: z.string().optional(),
});
const downloadUriAnswer = z.object({ artifact_uri: z.string() });
const filesAnswer = z.object({
  files: z
    .array(
      z.object({
        path: z.string(),
        is_dir: z.boolean().default(false),
        file_size: z.coerce.number().int().min(0).optional(),
      }),
    )
    .default([]),
});
const problem = z.object({ error_code: z.string().max(64) });

/**
 * Opens a model of MLflow's registry: a folder for each of its versions, with the artifacts that the tracking server
 * passes on. Does no I/O yet. Listings have no etags; those of answers are used where the server has them.
 */
export function createMlflowStore(options: MlflowStoreOptions): ObjectStore {
  const { name, selection, storage, environment, http } = options;
  const endpoint = (storage.endpoint ?? environment["MLFLOW_TRACKING_URI"] ?? "").replace(/\/$/, "");
  const server = redactUri(endpoint);
  const alias = selection.kind === "alias" ? `@${selection.alias}` : "";
  const describe = (key: string): string =>
    key === "" ? redactUri(`mlflow://${name}`) + alias : redactUri(`mlflow://${name}/${key}`);
  const authorization = storage.anonymous ? undefined : authorizationOf(environment);
  /** Where versions' artifacts are: the registry does not change it. */
  const locations = new Map<string, string>();

  const ask = async (
    path: string,
    query: Readonly<Record<string, string>>,
    key: string,
    signal: AbortSignal,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ServiceResponse> => {
    const url = URL.parse(endpoint + path);
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new StorageFailure(
        "StorageNotFound",
        `${describe(key)} needs the address of MLflow's tracking server in storage.endpoint, such as http://mlflow.mlflow:5000`,
      );
    for (const [parameter, value] of Object.entries(query)) url.searchParams.set(parameter, value);
    const secretHeaders = authorization === undefined ? {} : { authorization };
    return await exchange(http, { url, headers, secretHeaders, place: describe(key) }, signal);
  };

  const failure = async (key: string, response: HttpClientResponse, signal: AbortSignal): Promise<StorageFailure> => {
    const { status } = response;
    const said = (await readProblem(response, problem, signal))?.error_code ?? "";
    const code = /^[A-Z_]+$/.test(said) ? `${status} ${said}` : String(status);
    // Of an alias that nobody set it says that the parameter is not valid.
    const isUnknownAlias = said === "INVALID_PARAMETER_VALUE" && key === "" && selection.kind === "alias";
    if (status === 404 || said === "RESOURCE_DOES_NOT_EXIST" || isUnknownAlias)
      return new StorageFailure("StorageNotFound", `${describe(key)} does not exist at ${server}`);
    if (status === 401 || status === 403)
      return new StorageFailure(
        "StorageAccessDenied",
        `access to ${describe(key)} was denied (${code}) ` +
          (authorization === undefined
            ? "without credentials: name a Secret in storage.secretRef"
            : "with the credentials of storage.secretRef: they must be valid and allow to read the registered model"),
      );
    // Servers that do not pass artifacts on say so by this status.
    if (status === 503 && said === "")
      return statusFailure(status, server, " (if it does not serve artifacts, start it with --serve-artifacts)");
    return statusFailure(status, server, said === "" ? "" : ` (${said})`);
  };

  const askJson = async <T>(
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodType<T>,
    key: string,
    signal: AbortSignal,
  ): Promise<T> => {
    const answer = await ask(path, query, key, signal);
    if (answer.status !== 200) throw await failure(key, answer, signal);
    return await readJson(answer, schema, { server, expected: EXPECTED }, signal);
  };

  const listVersions = async (signal: AbortSignal): Promise<readonly string[]> => {
    if (selection.kind === "alias") {
      const query = { name, alias: selection.alias };
      const path = "/api/2.0/mlflow/registered-models/alias";
      return [(await askJson(path, query, versionAnswer, "", signal)).model_version.version];
    }
    if (selection.kind === "version") {
      const query = { name, version: selection.version };
      const path = "/api/2.0/mlflow/model-versions/get";
      return [(await askJson(path, query, versionAnswer, selection.version, signal)).model_version.version];
    }
    // The search finds nothing of a model that does not exist; this question says so.
    await askJson("/api/2.0/mlflow/registered-models/get", { name }, z.object({}), "", signal);
    const versions: string[] = [];
    let pageToken = "";
    do {
      const query = {
        filter: `name='${name}'`,
        max_results: "1000",
        ...(pageToken !== "" && { page_token: pageToken }),
      };
      const page = await askJson("/api/2.0/mlflow/model-versions/search", query, searchAnswer, "", signal);
      for (const { version, status = "READY" } of page.model_versions) if (status === "READY") versions.push(version);
      refuseLongListing(versions.length, describe(""));
      pageToken = page.next_page_token ?? "";
    } while (pageToken !== "");
    return versions;
  };

  /** Where a version's artifacts are, relative to those that the server passes on. */
  const locate = async (version: string, signal: AbortSignal): Promise<string> => {
    const known = locations.get(version);
    if (known !== undefined) return known;
    const path = "/api/2.0/mlflow/model-versions/get-download-uri";
    const { artifact_uri: uri } = await askJson(path, { name, version }, downloadUriAnswer, version, signal);
    const location = proxiedPath(uri, endpoint);
    if (location === undefined)
      throw new StorageFailure(
        "StorageNotFound",
        `the artifacts of ${describe(version)} are at ${redactUri(uri)}, which the tracking server does not pass on: ` +
          "name that place in storageUri, or start the server with --serve-artifacts before models are logged",
      );
    locations.set(version, location);
    return location;
  };

  const listFolder = async (
    version: string,
    folder: string,
    depth: number,
    signal: AbortSignal,
  ): Promise<readonly StoredEntry[]> => {
    const path = join(await locate(version, signal), folder);
    const key = join(version, folder);
    const { files } = await askJson("/api/2.0/mlflow-artifacts/artifacts", { path }, filesAnswer, key, signal);
    const entries = await Promise.all(
      files.map(async (file): Promise<readonly StoredEntry[]> => {
        const { is_dir: isFolder, file_size: sizeBytes = 0 } = file;
        const [base = ""] = file.path.split("/").slice(-1);
        if (!isFolder) return [{ kind: "file", name: base, sizeBytes, etag: undefined }];
        if (depth === 0) return [{ kind: "folder", name: base }];
        const inner = await listFolder(version, join(folder, base), depth - 1, signal);
        return inner.map((entry) => ({ ...entry, name: `${base}/${entry.name}` }));
      }),
    );
    const flat = entries.flat();
    refuseLongListing(flat.length, describe(key));
    return flat;
  };

  const open = async (
    key: string,
    { offset, ifMatch }: { readonly offset: number; readonly ifMatch: string | undefined },
    signal: AbortSignal,
  ): Promise<OpenResult> => {
    const [version = "", ...rest] = key.split("/");
    const location = join(await locate(version, signal), rest.join("/"));
    const path = `/api/2.0/mlflow-artifacts/artifacts/${location.split("/").map(encodeURIComponent).join("/")}`;
    const conditions = { ...rangeHeaders({ offset }), ...(ifMatch !== undefined && { "if-match": ifMatch }) };
    const answer = await ask(path, {}, key, signal, conditions);
    return await openAnswered(
      answer,
      { ifMatch },
      {
        place: describe(key),
        etag: strongEtag(answer.headers["etag"]),
        checksums: [],
        failure: (response) => failure(key, response, signal),
      },
      signal,
    );
  };

  return {
    describe,
    list: async (folder, { recursive }, signal) => {
      const [version = "", ...rest] = folder.split("/");
      if (version !== "") return await listFolder(version, rest.join("/"), recursive ? MAX_DEPTH : 0, signal);
      return (await listVersions(signal)).map((name_) => ({ kind: "folder", name: name_ }) as const);
    },
    head: async (key, signal): Promise<ObjectInfo | undefined> => {
      if (!key.includes("/")) return undefined;
      const opened = await open(key, { offset: 0, ifMatch: undefined }, signal);
      if (opened.kind === "changed") return undefined;
      await opened[Symbol.asyncDispose]();
      return { sizeBytes: opened.sizeBytes, etag: opened.etag, checksums: opened.checksums };
    },
    open,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function authorizationOf(environment: Environment): string | undefined {
  const { MLFLOW_TRACKING_TOKEN: token, MLFLOW_TRACKING_USERNAME: user } = environment;
  const password = environment["MLFLOW_TRACKING_PASSWORD"] ?? "";
  // As MLflow's client does: a user goes before a token.
  if (user) return `Basic ${Buffer.from(`${user}:${password}`, "utf8").toString("base64")}`;
  return token ? `Bearer ${token}` : undefined;
}

/** The path of artifacts behind the tracking server; undefined for those that are elsewhere. */
function proxiedPath(uri: string, endpoint: string): string | undefined {
  const match = /^mlflow-artifacts:(?:\/\/([^/]*))?\/*(.*)$/.exec(uri);
  if (match === null) return undefined;
  const [, host = "", path = ""] = match;
  const isSafe = !path.split("/").some((segment) => segment === ".." || segment === ".");
  // With a host, artifacts are behind another server than the one that is asked, unless it is the same.
  const isHere = host === "" || host === URL.parse(endpoint)?.host;
  return isSafe && isHere ? path.replace(/\/$/, "") : undefined;
}

function join(folder: string, name: string): string {
  return folder === "" ? name : name === "" ? folder : `${folder}/${name}`;
}
