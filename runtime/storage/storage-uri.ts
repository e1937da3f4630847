import type { MlflowSelection } from "./mlflow-store.ts";

/** A `storageUri`, taken apart and checked. Paths are decoded, without leading or trailing slash. */
export type StorageUri =
  | { readonly kind: "s3"; readonly bucket: string; readonly prefix: string }
  | { readonly kind: "gs"; readonly bucket: string; readonly prefix: string }
  /** Azure Blob Storage. */
  | { readonly kind: "azblob"; readonly account: string; readonly container: string; readonly path: string }
  /** A repository of an OCI registry; `reference` is `:TAG` or `@DIGEST`. */
  | {
      readonly kind: "oci";
      readonly registry: string;
      readonly repository: string;
      readonly reference: string | undefined;
    }
  /** ORG/REPO of a Hugging Face hub; `revision` is a branch, tag or commit. */
  | {
      readonly kind: "hf";
      readonly repository: string;
      readonly revision: string | undefined;
      readonly path: string;
    }
  /** A model of MLflow's registry: all its versions, one, or the one that has an alias. */
  | { readonly kind: "mlflow"; readonly name: string; readonly selection: MlflowSelection }
  /** `url` is complete, with its query, which may hold a signature: show it only through {@link redactUri}. */
  | { readonly kind: "http"; readonly url: URL }
  /** `path` is absolute. */
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "pvc"; readonly claim: string; readonly path: string };

/** Thrown for a `storageUri` that cannot be used; the message says what to write instead. */
export class StorageUriError extends Error {
  override name = "StorageUriError";
}

const FORMS =
  "s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, azblob://ACCOUNT/CONTAINER/PATH, oci://HOST/REPOSITORY:TAG, hf://ORG/REPO/PATH, mlflow://NAME@ALIAS, https://HOST/PATH, pvc://CLAIM/PATH or file:///PATH";
const SCHEME = /^(s3|gs|azblob|oci|hf|mlflow|https?|file|pvc):\/\//;
/** What S3, its likenesses and Google allow, old names with capitals and underscores among them. */
const BUCKET = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]$/;
const AZURE_ACCOUNT = /^[a-z0-9]{3,24}$/;
const AZURE_CONTAINER = /^(?!.*--)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/;
const OCI_PART = "[a-z0-9]+(?:(?:[.]|_|__|-+)[a-z0-9]+)*";
const OCI_NAME = new RegExp(
  `^(${OCI_PART}(?:/${OCI_PART})*)(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}|@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?$`,
);
const HF_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;
const HF_REVISION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** Of what MLflow allows, what needs no quotes. */
const MLFLOW_NAME = /^[^/:@'"`\\]{1,250}$/;
const MLFLOW_ALIAS = /^[A-Za-z0-9_-]{1,255}$/;
const MLFLOW_WITH_ALIAS = /^mlflow:\/\/[^/:@?#]+@[A-Za-z0-9_-]+$/;
const CLAIM = /^(?!.*\.\.)[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const UNPRINTABLE = /[\u0000-\u0020\u007f-\u009f\u2028\u2029\ufeff]/;
const ESCAPED_STRUCTURE = /%(2e|2f|5c|00)/i;

/** Parses and checks a `storageUri`. Throws {@link StorageUriError}. */
export function parseStorageUri(uri: string): StorageUri {
  if (UNPRINTABLE.test(uri))
    throw new StorageUriError("storageUri has a blank or control character: write a blank as %20");
  const scheme = SCHEME.exec(uri)?.[1];
  if (scheme === undefined) throw new StorageUriError(`storageUri ${quote(uri)} is not understood: write ${FORMS}`);
  if (uri.includes("\\")) throw new StorageUriError("storageUri has a backslash: separate folders by '/'");
  if (uri.includes("#"))
    throw new StorageUriError("storageUri has a fragment: write a '#' that is part of a name as %23");

  const rest = uri.slice(scheme.length + 3);
  const pathStart = rest.search(/[/?]/);
  const authority = pathStart === -1 ? rest : rest.slice(0, pathStart);
  const afterAuthority = pathStart === -1 ? "" : rest.slice(pathStart);
  // An alias is written like a host after a user's name.
  if (authority.includes("@") && !MLFLOW_WITH_ALIAS.test(uri))
    throw new StorageUriError(
      "storageUri has a user name or password before '@': credentials belong into storage.secretRef",
    );
  const [rawPath, query] = splitOnce(afterAuthority, "?");
  checkSegments(rawPath);

  if (scheme === "http" || scheme === "https") return parseHttp(uri, authority, rawPath);
  if (query !== undefined)
    throw new StorageUriError(
      "storageUri has a '?': write one that is part of a name as %3F; only http(s) has a query",
    );
  const parse = PARSERS[scheme];
  if (parse === undefined) throw new StorageUriError(`storageUri ${quote(uri)} is not understood: write ${FORMS}`);
  return parse({ uri, authority, path: decodePath(rawPath) });
}

function withoutUser(uri: string): string {
  return uri.replace(/^((?:[a-z0-9+.-]*:)?[/\\]+)?[^/\\]*@/i, "$1");
}

/** An address without scheme, whose path is decoded. */
interface Place {
  readonly uri: string;
  readonly authority: string;
  readonly path: string;
}

const PARSERS: Readonly<Record<string, (place: Place) => StorageUri>> = {
  s3: (place) => ({ kind: "s3", ...parseBucket("s3", place) }),
  gs: (place) => ({ kind: "gs", ...parseBucket("gs", place) }),
  azblob: parseAzblob,
  oci: parseOci,
  hf: parseHf,
  mlflow: parseMlflow,
  pvc: ({ uri, authority, path }) => {
    if (CLAIM.test(authority)) return { kind: "pvc", claim: authority, path };
    throw new StorageUriError(
      `storageUri names no PersistentVolumeClaim: expected pvc://CLAIM/PATH, got ${quote(uri)}`,
    );
  },
  file: ({ uri, authority, path }) => {
    if (authority === "" && path !== "") return { kind: "file", path: `/${path}` };
    throw new StorageUriError(`expected file:///PATH with three slashes and an absolute path, got ${quote(uri)}`);
  },
};

/**
 * A `storageUri` or URL as it may be logged and shown: without user name, query (a presigned URL's signature is there)
 * and fragment, without control characters, at most 300 characters long. Never throws.
 */
export function redactUri(uri: string): string {
  const end = uri.search(/[?#]/);
  const visible = end === -1 ? uri : uri.slice(0, end);
  const shown = (MLFLOW_WITH_ALIAS.test(visible) ? visible : withoutUser(visible))
    // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");
  return shown.length > 300 ? `${shown.slice(0, 299)}…` : shown;
}

function parseBucket(
  scheme: string,
  { uri, authority, path }: Place,
): { readonly bucket: string; readonly prefix: string } {
  if (BUCKET.test(authority)) return { bucket: authority, prefix: path };
  throw new StorageUriError(`storageUri names no bucket: expected ${scheme}://BUCKET/PREFIX, got ${quote(uri)}`);
}

function parseAzblob({ uri, authority: account, path }: Place): StorageUri {
  const [container = "", ...rest] = path.split("/");
  if (AZURE_ACCOUNT.test(account) && AZURE_CONTAINER.test(container))
    return { kind: "azblob", account, container, path: rest.join("/") };
  const hint = /^([a-z0-9]+)\.(blob|dfs)\./.exec(account)?.[1];
  throw new StorageUriError(
    `storageUri names no storage account and container of Azure: expected azblob://${hint ?? "ACCOUNT"}/CONTAINER/PATH, got ${quote(uri)}`,
  );
}

function parseOci({ uri, authority, path }: Place): StorageUri {
  const [, repository, reference] = OCI_NAME.exec(path) ?? [];
  const host = URL.parse(`https://${authority}`);
  if (repository === undefined || host === null || !/^[A-Za-z0-9.-]+(:\d+)?$|^\[[0-9a-f:.]+\](:\d+)?$/i.test(authority))
    throw new StorageUriError(
      `storageUri names no repository of a registry: expected oci://HOST/REPOSITORY:TAG, oci://HOST/REPOSITORY@sha256:DIGEST or oci://HOST/REPOSITORY, got ${quote(uri)}`,
    );
  const isShortName = authority === "docker.io" && !repository.includes("/");
  return {
    kind: "oci",
    registry: authority,
    repository: isShortName ? `library/${repository}` : repository,
    reference,
  };
}

function parseHf({ uri, authority: organization, path }: Place): StorageUri {
  const [named = "", ...rest] = path.split("/");
  const [repo, revision] = splitOnce(named, "@");
  if (HF_NAME.test(organization) && HF_NAME.test(repo) && (revision === undefined || HF_REVISION.test(revision)))
    return { kind: "hf", repository: `${organization}/${repo}`, revision, path: rest.join("/") };
  throw new StorageUriError(
    `storageUri names no repository of Hugging Face: expected hf://ORG/REPO/PATH or hf://ORG/REPO@REVISION/PATH, got ${quote(uri)}`,
  );
}

function parseMlflow({ uri, authority, path }: Place): StorageUri {
  const [rawName, alias] = splitOnce(authority, "@");
  const name = decodePath(rawName);
  const isVersion = /^[1-9]\d{0,15}$/.test(path);
  if (MLFLOW_NAME.test(name) && (path === "" ? alias === undefined || MLFLOW_ALIAS.test(alias) : isVersion && !alias)) {
    if (alias !== undefined) return { kind: "mlflow", name, selection: { kind: "alias", alias } };
    return { kind: "mlflow", name, selection: path === "" ? { kind: "all" } : { kind: "version", version: path } };
  }
  throw new StorageUriError(
    `storageUri names no model of MLflow's registry: expected mlflow://NAME, mlflow://NAME/VERSION or mlflow://NAME@ALIAS, got ${quote(uri)}`,
  );
}

function parseHttp(uri: string, authority: string, rawPath: string): StorageUri {
  const url = URL.parse(uri);
  // A percent sign in a host is decoded by the parser: nobody needs it, and it hides what is meant.
  if (url === null || url.hostname === "" || authority === "" || authority.includes("%"))
    throw new StorageUriError(`storageUri has no valid host: expected https://HOST/PATH, got ${quote(uri)}`);
  if (rawPath === "" || rawPath.endsWith("/"))
    throw new StorageUriError(
      `storageUri must name a file, such as ${url.origin}${rawPath || "/"}model.onnx: http(s) cannot list a folder${azureHint(url)}`,
    );
  return { kind: "http", url };
}

/** KServe reads folders of Azure by their address; here that is the address of one public file. */
function azureHint({ hostname }: URL): string {
  const account = /^([a-z0-9]+)\.blob\.core\./.exec(hostname)?.[1];
  return account === undefined ? "" : `; for a folder of Azure Blob Storage write azblob://${account}/CONTAINER/PATH`;
}

function checkSegments(rawPath: string): void {
  if (ESCAPED_STRUCTURE.test(rawPath))
    throw new StorageUriError("storageUri has an escaped dot, slash, backslash or NUL: write the plain path");
  // The first is empty by the leading slash; the last may be, by a trailing one.
  const segments = rawPath.split("/").slice(1);
  for (const [index, segment] of segments.entries()) {
    if (segment === "." || segment === "..")
      throw new StorageUriError("storageUri has a '.' or '..' segment: write the path that is meant");
    if (segment === "" && index < segments.length - 1)
      throw new StorageUriError("storageUri has an empty segment ('//'): write a single slash");
  }
}

function decodePath(rawPath: string): string {
  let path: string;
  try {
    path = decodeURIComponent(rawPath);
  } catch {
    throw new StorageUriError("storageUri has a '%' that escapes nothing: write a percent sign as %25");
  }
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) throw new StorageUriError("storageUri has an escaped control character");
  return path.replace(/^\//, "").replace(/\/$/, "");
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function quote(uri: string): string {
  return `"${redactUri(uri)}"`;
}
