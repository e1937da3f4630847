import type { JsonTensorSpec } from "../../../common/sample-tensors.ts";

/** A version in the repository's index. */
export interface VersionEntry {
  readonly name: string;
  readonly version?: string;
  readonly state: string;
  readonly reason: string;
}

/** What the replica tells of itself. */
export interface ReplicaView {
  readonly release: string;
  readonly isReady: boolean;
  readonly versions: readonly VersionEntry[];
}

/** What the replica tells of a model. */
export interface ModelView {
  readonly platform: string;
  readonly inputs: readonly JsonTensorSpec[];
  readonly outputs: readonly JsonTensorSpec[];
  readonly properties: Readonly<Record<string, string>>;
}

/** An answer to a request for inference, as it came. */
export interface RawAnswer {
  readonly status: number;
  readonly text: string;
  /** From the call until the whole body was there. */
  readonly elapsedMs: number;
  /** By lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
}

/** Where a model, or a version of it, is found; relative to the page, so that proxies may put a prefix before it. */
export function modelPath(model: string, version: string | undefined): string {
  const path = `v2/models/${encodeURIComponent(model)}`;
  return version === undefined ? path : `${path}/versions/${encodeURIComponent(version)}`;
}

/** Throws an Error in words. */
export async function readReplica(signal: AbortSignal): Promise<ReplicaView> {
  const [server, ready, index] = await Promise.all([
    ask("v2", { signal }),
    ask("v2/health/ready", { signal }),
    ask("v2/repository/index", { signal, method: "POST" }),
  ]);
  const { version = "" } = (await bodyOf(server)) as { readonly version?: string };
  return { release: version, isReady: ready.ok, versions: (await bodyOf(index)) as readonly VersionEntry[] };
}

/** Throws an Error in words, such as the server's own. */
export async function readModel(model: string, version: string | undefined, signal: AbortSignal): Promise<ModelView> {
  return (await bodyOf(await ask(modelPath(model, version), { signal }))) as ModelView;
}

/** Asks a model. Throws an Error in words if there is no answer at all. */
export async function infer(path: string, body: string, signal: AbortSignal): Promise<RawAnswer> {
  const startMs = performance.now();
  const response = await ask(path, {
    signal,
    method: "POST",
    headers: { "content-type": "application/json", "x-lockstep-timing": "1" },
    body,
  });
  const text = await response.text();
  const elapsedMs = performance.now() - startMs;
  return { status: response.status, text, elapsedMs, headers: new Map(response.headers) };
}

/** What an answer that is no success says. */
export function errorText(status: number, text: string): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    if (typeof error === "string" && error !== "") return error;
  } catch {
    // Something between the browser and the replica has answered.
  }
  return `status ${status}, without an error of the replica's`;
}

async function ask(path: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(new URL(path, document.baseURI), { cache: "no-store", ...init });
  } catch (cause) {
    if (init.signal?.aborted === true) throw cause;
    throw new Error("the replica cannot be reached", { cause });
  }
}

async function bodyOf(response: Response): Promise<unknown> {
  const text = await response.text();
  if (!response.ok) throw new Error(errorText(response.status, text));
  return JSON.parse(text);
}
