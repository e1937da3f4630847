import { readFileSync } from "node:fs";
import { load } from "js-yaml";
import { Agent, request } from "undici";
import type { ApiAccess } from "./api-access.ts";

interface Kubeconfig {
  readonly clusters: readonly [{ readonly cluster: { server: string; "certificate-authority-data": string } }];
  readonly users: readonly [{ readonly user: { readonly token: string } }];
}

/** The access that a kubeconfig file of the tests' control plane describes. */
export function accessOf(kubeconfig: string): ApiAccess {
  const { clusters, users } = load(readFileSync(kubeconfig, "utf8")) as Kubeconfig;
  const { server, "certificate-authority-data": certificateAuthority } = clusters[0].cluster;
  return {
    server,
    token: users[0].user.token,
    certificateAuthority: Buffer.from(certificateAuthority, "base64").toString("utf8"),
  };
}

/** A field that the API server refuses, and why. */
export interface Cause {
  readonly field?: string;
  readonly message: string;
}

/** What the API server said, as an object. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** What is wrong with an object that was refused; empty otherwise. */
  readonly causes: readonly Cause[];
}

const agents = new WeakMap<ApiAccess, Agent>();

/** One pool of connections for each access: a matrix of permissions takes thousands of requests. */
function agentOf(access: ApiAccess): Agent {
  const agent = agents.get(access) ?? new Agent({ connections: 16, connect: { ca: access.certificateAuthority } });
  agents.set(access, agent);
  return agent;
}

/** Sends a request whose body is an object, and reads the answer as one. */
export async function send(
  access: ApiAccess,
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  resource: string,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const answer = await request(new URL(resource, access.server), {
    dispatcher: agentOf(access),
    method,
    headers: {
      authorization: `Bearer ${access.token}`,
      accept: "application/json",
      "content-type": method === "PATCH" ? "application/merge-patch+json" : "application/json",
      ...headers,
    },
    body: body === undefined ? null : JSON.stringify(body),
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  });
  const text = await answer.body.text();
  const parsed: unknown = text === "" ? {} : JSON.parse(text);
  const { message, details } = parsed as { message?: string; details?: { causes?: readonly Cause[] } };
  const causes = answer.statusCode < 400 ? [] : (details?.causes ?? [{ message: message ?? "" }]);
  return { status: answer.statusCode, body: parsed, causes };
}

/**
 * Makes an object what the manifest says, whether it is there or not: test files share one API server, and some objects
 * of theirs have the same names. As `kubectl apply --server-side`, with its strict validation.
 */
export async function apply(
  access: ApiAccess,
  resource: string,
  manifest: unknown,
  options: { readonly dryRun?: boolean } = {},
): Promise<Answer> {
  const query = `fieldManager=tests&force=true&fieldValidation=Strict${options.dryRun === true ? "&dryRun=All" : ""}`;
  return send(access, "PATCH", `${resource}?${query}`, manifest, { "content-type": "application/apply-patch+yaml" });
}

/** Sees to it that there is a namespace, and returns its name. Throws an Error if the API server refuses. */
export async function createNamespace(
  access: ApiAccess,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<string> {
  const manifest = { apiVersion: "v1", kind: "Namespace", metadata: { name, labels } };
  const { status, causes } = await apply(access, `/api/v1/namespaces/${name}`, manifest);
  if (status !== 200 && status !== 201) throw new Error(`cannot make namespace ${name}: ${causes[0]?.message}`);
  return name;
}
