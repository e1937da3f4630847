import type { Refusal } from "./api-documents.ts";

/** How an API server proves itself when it passes requests on, as it publishes that in kube-system. */
export interface FrontProxyTrust {
  /** PEM of the authorities that sign its client certificate. */
  readonly authoritiesPem: string;
  /** Common names that its certificate may have; none means any. */
  readonly allowedNames: readonly string[];
  /** Names of headers, in lower case, of which the first that is there names the user. */
  readonly usernameHeaders: readonly string[];
}

/** The ConfigMap that every API server with aggregation keeps up to date, in kube-system. */
export const FRONT_PROXY_CONFIG_MAP = "extension-apiserver-authentication";

/** Reads that ConfigMap's data; undefined where the API server passes no requests on. Throws where it cannot be understood. */
export function frontProxyTrustOf(data: Readonly<Record<string, string>> | undefined): FrontProxyTrust | undefined {
  const authoritiesPem = data?.["requestheader-client-ca-file"] ?? "";
  if (!authoritiesPem.includes("-----BEGIN CERTIFICATE-----")) return undefined;
  const usernameHeaders = listOf(data, "requestheader-username-headers").map((name) => name.toLowerCase());
  return { authoritiesPem, allowedNames: listOf(data, "requestheader-allowed-names"), usernameHeaders };
}

function listOf(data: Readonly<Record<string, string>> | undefined, key: string): string[] {
  const text = data?.[key] ?? "[]";
  const list: unknown = JSON.parse(text);
  if (!Array.isArray(list) || !list.every((item) => typeof item === "string"))
    throw new Error(`expected a list of texts in ${key} of ConfigMap ${FRONT_PROXY_CONFIG_MAP}, got ${text}`);
  return list;
}

/** What a client has shown of itself. */
export interface ClientProof {
  /** Common name of its certificate, if that is signed by one of the authorities; undefined otherwise. */
  readonly certifiedName: string | undefined;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/**
 * Who asks, in the words of the API server, which has already decided that they may. Whoever cannot prove to be the API
 * server is refused, whatever the headers say.
 */
export function authenticate(
  trust: FrontProxyTrust | undefined,
  { certifiedName, headers }: ClientProof,
):
  | { readonly kind: "user"; readonly name: string }
  | { readonly kind: "refused"; readonly reason: Refusal; readonly message: string } {
  if (trust === undefined || certifiedName === undefined)
    return refused("Unauthorized", "expected the client certificate of the API server: ask there");
  if (trust.allowedNames.length > 0 && !trust.allowedNames.includes(certifiedName))
    return refused("Forbidden", "the client certificate is not of one that may pass requests on");
  const name = trust.usernameHeaders.map((header) => headers[header]).find((value) => value !== undefined);
  if (typeof name !== "string" || name === "") return refused("Unauthorized", "expected the name of the user");
  return { kind: "user", name };
}

function refused(reason: Refusal, message: string) {
  return { kind: "refused", reason, message } as const;
}
