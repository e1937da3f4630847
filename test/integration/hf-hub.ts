import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

const MAX_PAGE = 1_000;

/**
 * Stands in the place of the Hugging Face hub, of which there is no server to run: the part of its HTTP API that reads
 * models, made after its public documentation (https://huggingface.co/docs/hub/api) and what its own client asks for.
 */
export interface HfHub extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Commits files to branch main of ORG/REPO, in place of those that were there; returns the commit. */
  commit(repository: string, files: Readonly<Record<string, Buffer>>): string;
  /** Who may see repositories of the organisation "private", and those of "gated" only after accepting conditions. */
  readonly token: string;
  /** Where large files are; default: the hub itself. */
  contentOrigin: string;
}

interface Blob {
  readonly bytes: Buffer;
  readonly oid: string;
  /** SHA-256 of a file that git-lfs keeps. */
  readonly lfs: string | undefined;
}

/** Starts an empty hub. */
export async function startHfHub(): Promise<HfHub> {
  const commits = new Map<string, ReadonlyMap<string, Blob>>();
  const heads = new Map<string, string>();
  const contents = new Map<string, Buffer>();
  const token = "hf_token-canary";
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => {
      body += text;
    });
    request.on("end", () => answer(request, body, response));
  });

  const answer = (request: IncomingMessage, body: string, response: ServerResponse): void => {
    const url = new URL(request.url ?? "", hub.endpoint);
    const content = /^\/content\/([0-9a-f]{64})$/.exec(url.pathname)?.[1];
    if (content !== undefined) return send(request, response, contents.get(content) ?? Buffer.alloc(0), {});
    const api = /^\/api\/models\/([^/]+\/[^/]+)\/(revision|tree|paths-info)\/([^/]+)(?:\/(.*))?$/.exec(url.pathname);
    const file = /^\/([^/]+\/[^/]+)\/(resolve)\/([^/]+)\/(.+)$/.exec(url.pathname);
    const [, repository = "", question = "", revision = "", rawPath = ""] = api ?? file ?? [];
    const path = decodeURIComponent(rawPath);
    const refusal = refusalOf(request.headers.authorization, repository, question);
    if (refusal !== undefined) return refuse(response, ...refusal);
    const sha = revision === "main" ? (heads.get(repository) ?? "") : revision;
    const files = commits.get(`${repository} ${sha}`);
    if (files === undefined) return refuse(response, 404, "RevisionNotFound");
    if (question === "revision") return json(response, { id: repository, sha });
    if (question === "tree") return tree(url, files, path, response);
    if (question === "resolve") return resolve(request, response, files.get(path), sha);
    return json(response, describeAll(files, (JSON.parse(body) as { paths: string[] }).paths));
  };

  const refusalOf = (
    authorization: string | undefined,
    repository: string,
    question: string,
  ): readonly [status: number, code: string] | undefined => {
    const isKnown = authorization === `Bearer ${token}`;
    if (authorization !== undefined && !isKnown) return [401, ""];
    if (!heads.has(repository) || (repository.startsWith("private/") && !isKnown))
      return [isKnown ? 404 : 401, "RepoNotFound"];
    return repository.startsWith("gated/") && question === "resolve" ? [403, "GatedRepo"] : undefined;
  };

  const resolve = (request: IncomingMessage, response: ServerResponse, blob: Blob | undefined, sha: string): void => {
    if (blob === undefined) return refuse(response, 404, "EntryNotFound");
    const headers = { "x-repo-commit": sha, etag: `"${blob.oid}"` };
    if (blob.lfs === undefined) return send(request, response, blob.bytes, headers);
    const location = `${hub.contentOrigin}/content/${blob.lfs}?signature=canary`;
    const linked = { "x-linked-etag": `"${blob.lfs}"`, "x-linked-size": blob.bytes.length };
    response.writeHead(302, { ...headers, ...linked, location }).end();
  };

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const hub: HfHub = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    token,
    contentOrigin: "",
    commit: (repository, files) => {
      const blobs = new Map(Object.entries(files).map(([path, bytes]) => [path, blobOf(path, bytes)]));
      for (const { bytes, lfs } of blobs.values()) if (lfs !== undefined) contents.set(lfs, bytes);
      const sha = createHash("sha1")
        .update(JSON.stringify([repository, heads.get(repository), [...blobs].map(([path, { oid }]) => [path, oid])]))
        .digest("hex");
      commits.set(`${repository} ${sha}`, blobs);
      heads.set(repository, sha);
      return sha;
    },
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return hub;
}

/** Files of these names are kept by git-lfs in new repositories; of what git keeps itself, the id is git's. */
function blobOf(path: string, bytes: Buffer): Blob {
  const digest = (algorithm: string, ...parts: (string | Buffer)[]): string =>
    parts.reduce((hash, part) => hash.update(part), createHash(algorithm)).digest("hex");
  if (!/\.(onnx|bin|onnx_data)$/.test(path))
    return { bytes, oid: digest("sha1", `blob ${bytes.length}\0`, bytes), lfs: undefined };
  const lfs = digest("sha256", bytes);
  const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${lfs}\nsize ${bytes.length}\n`;
  return { bytes, oid: digest("sha1", `blob ${pointer.length}\0${pointer}`), lfs };
}

function tree(url: URL, files: ReadonlyMap<string, Blob>, folder: string, response: ServerResponse): void {
  const prefix = folder === "" ? "" : `${folder}/`;
  const below = [...files.keys()].filter((path) => path.startsWith(prefix));
  if (below.length === 0 && folder !== "") return refuse(response, 404, "EntryNotFound");
  const isRecursive = url.searchParams.get("recursive") === "true";
  const folders = new Set<string>();
  for (const path of below)
    for (let at = path.indexOf("/", prefix.length); at !== -1; at = path.indexOf("/", at + 1))
      if (isRecursive || !path.slice(prefix.length, at).includes("/")) folders.add(path.slice(0, at));
  const shown = below.filter((path) => isRecursive || !path.slice(prefix.length).includes("/"));
  const all = [
    ...[...folders].map((path) => ({ type: "directory", oid: "0".repeat(40), size: 0, path })),
    ...describeAll(files, shown),
  ];
  const limit = Math.min(Number(url.searchParams.get("limit") ?? MAX_PAGE), MAX_PAGE);
  const start = Number(atob(url.searchParams.get("cursor") ?? "") || 0);
  if (start + limit < all.length) {
    const next = new URL(url);
    next.searchParams.set("cursor", btoa(String(start + limit)));
    response.setHeader("link", `<https://huggingface.example${next.pathname}${next.search}>; rel="next"`);
  }
  return json(response, all.slice(start, start + limit));
}

function describeAll(files: ReadonlyMap<string, Blob>, paths: readonly string[]): object[] {
  return paths.flatMap((path) => {
    const blob = files.get(path);
    if (blob === undefined) return [];
    const { bytes, oid, lfs } = blob;
    const size = bytes.length;
    return [{ type: "file", oid, size, path, ...(lfs !== undefined && { lfs: { oid: lfs, size, pointerSize: 130 } }) }];
  });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer,
  headers: Record<string, string>,
): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const part = bytes.subarray(start);
  const range = { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start > 0 ? 206 : 200, {
    ...headers,
    ...(start > 0 && range),
    "content-length": part.length,
    "accept-ranges": "bytes",
  });
  response.end(part);
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "x-error-code": code, "x-error-message": "refused" }).end();
}
