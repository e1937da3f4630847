import { gzipSync } from "node:zlib";
import { mutateBytes } from "../fixtures/mutate-bytes.ts";

/** A request over HTTP, to be sent as it is or with something wrong about it. */
export interface SeedRequest {
  readonly path: string;
  /** Default: POST. */
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export interface RandomRequest {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const MODELS = [
  "rows",
  "cube",
  "all-types",
  "scalar",
  "fixed",
  "identity-bytes",
  "logarithm",
  "nobody",
  "%2e%2e",
  "a%20b",
  "",
];
const VERSIONS = ["", "/versions/1", "/versions/9", "/versions/x", "/labels/stable"];
/** Values that headers may wrongly have. None asks for what the server says it does not have (501). */
const HEADERS: Readonly<Record<string, readonly string[]>> = {
  "inference-header-content-length": ["0", "1", "17", "-1", "1.5", "999999", "x", ""],
  "content-type": [
    "application/json",
    "text/csv",
    "text/plain",
    "application/octet-stream",
    "application/json; charset=utf-16",
    ";;",
    "",
  ],
  "content-encoding": ["gzip", "deflate", "br", "identity", "gzip, gzip", ""],
  "accept-encoding": ["gzip", "deflate;q=0.5", "*", "identity;q=0, *;q=0", ","],
  accept: ["text/csv", "application/json", "text/event-stream", "*/*", "/"],
  "x-amzn-sagemaker-target-model": ["rows", "nobody", "", "../rows", "rows.tar.gz"],
  "x-request-id": ["mine", "\u0080", "x".repeat(1000)],
  expect: ["100-continue"],
};
const METHODS = ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"];

/** A seed as it is, or with its body, headers, path or method made wrong, or several of them. */
export function randomRequest(seeds: readonly SeedRequest[], random: () => number): RandomRequest {
  const pick = <T>(values: readonly T[]): T => values[random() % values.length] as T;
  const seed = pick(seeds);
  const isOneIn = (count: number): boolean => random() % count === 0;
  let body: Buffer = Buffer.from(seed.body ?? "");
  let { path } = seed;
  const headers: Record<string, string> = { ...seed.headers };
  if (isOneIn(2) && body.length > 0) body = mutateBytes(body, random);
  if (isOneIn(6)) {
    const name = pick(Object.keys(HEADERS));
    headers[name] = pick(HEADERS[name] ?? [""]);
  }
  if (isOneIn(8))
    path = path.replace(/models\/[^/:]+(\/versions\/[^/:]+)?/, () => `models/${pick(MODELS)}${pick(VERSIONS)}`);
  if (isOneIn(20)) path = `${path}${pick(["/", "?x=1", "%", "%00", "//", ":", "/infer"])}`;
  if (isOneIn(20) && body.length > 0) {
    headers["content-encoding"] = "gzip";
    body = gzipSync(body);
    if (isOneIn(2)) body = mutateBytes(body, random);
  }
  const method = isOneIn(25) ? pick(METHODS) : (seed.method ?? "POST");
  if (method === "GET" || method === "HEAD") body = Buffer.of();
  return { path, method, headers, body };
}
