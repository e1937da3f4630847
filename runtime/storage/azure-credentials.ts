import { createHmac } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Environment } from "../../common/environment.ts";
import { rememberToken, type AccessToken } from "./access-token.ts";
import type { HttpClient } from "./http-client.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";
import { exchangeForToken, fetchToken } from "./token-service.ts";

const RESOURCE = "https://storage.azure.com/";
const METADATA_SERVER = "the metadata server of Azure";

/** With what requests to Azure's storage are signed. */
export type AzureCredentials =
  | { readonly identity: "anonymous" }
  | { readonly identity: "accountKey"; readonly key: string }
  /** `query` is to be added to every address; a plus in it is escaped. */
  | { readonly identity: "sas"; readonly query: string }
  | {
      readonly identity: "clientSecret" | "workloadIdentity" | "managedIdentity";
      /** The token to send. Throws StorageFailure. */
      readonly token: () => Promise<string>;
    };

/** What credentials are made of. */
export interface AzureCredentialsOptions {
  readonly environment: Environment;
  readonly http: HttpClient;
  /** For the cloud's metadata server, which lies in a network that is closed to storages. */
  readonly metadataHttp: HttpClient;
}

/**
 * Finds the credentials, by the names that Azure's own libraries and tools use: an account's key, a shared access
 * signature, a client's secret; without those workload identity (a token in AZURE_FEDERATED_TOKEN_FILE), or the managed
 * identity of the node. Throws StorageFailure if some of what belongs together is missing.
 */
export function createAzureCredentials(options: AzureCredentialsOptions): AzureCredentials {
  const { environment } = options;
  const key = environment["AZURE_STORAGE_ACCESS_KEY"];
  if (key) return { identity: "accountKey", key };
  const sas = environment["AZURE_STORAGE_SAS_TOKEN"];
  if (sas) return { identity: "sas", query: sas.replace(/^\?/, "").replaceAll("+", "%2B") };
  const secret = environment["AZURE_CLIENT_SECRET"];
  if (secret) {
    const client = readClient(environment, "AZURE_CLIENT_SECRET");
    const proof = (): Promise<Record<string, string>> => Promise.resolve({ client_secret: secret });
    return { identity: "clientSecret", token: rememberToken((signal) => logIn(client, proof, options, signal)) };
  }
  const file = environment["AZURE_FEDERATED_TOKEN_FILE"];
  if (file) {
    const client = readClient(environment, "AZURE_FEDERATED_TOKEN_FILE");
    const proof = async (): Promise<Record<string, string>> => ({
      client_assertion_type: "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
      client_assertion: await readToken(file),
    });
    return { identity: "workloadIdentity", token: rememberToken((signal) => logIn(client, proof, options, signal)) };
  }
  return { identity: "managedIdentity", token: rememberToken((signal) => askMetadataServer(options, signal)) };
}

/**
 * The header Authorization of a GET or HEAD request that an account's key signs (Shared Key of version 2015-02-21 and
 * later). `headers` are all that are sent, by lower-case names. Throws StorageFailure if the key is not in base64.
 */
export function sharedKeyAuthorization(
  method: "GET" | "HEAD",
  url: URL,
  headers: Readonly<Record<string, string>>,
  { account, key }: { readonly account: string; readonly key: string },
): string {
  const own = Object.entries(headers)
    .filter(([name]) => name.startsWith("x-ms-"))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value.trim()}`);
  const query = [...url.searchParams]
    .map(([name, value]) => [name.toLowerCase(), value] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}:${value}`);
  const resource = [`/${account}${url.pathname}`, ...query].join("\n");
  // Encoding, language, length, MD5, type, date, and the conditions: what is not sent is an empty line.
  const lines = [method, "", "", "", "", "", "", "", headers["if-match"] ?? "", "", "", headers["range"] ?? ""];
  const secret = Buffer.from(key, "base64");
  if (secret.length === 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(key.trim()))
    throw new StorageFailure(
      "StorageAccessDenied",
      "AZURE_STORAGE_ACCESS_KEY is not an account's key: expected base64",
    );
  const signature = createHmac("sha256", secret).update([...lines, ...own, resource].join("\n"), "utf8");
  return `SharedKey ${account}:${signature.digest("base64")}`;
}

interface Client {
  readonly tenantId: string;
  readonly clientId: string;
}

function readClient(environment: Environment, companion: string): Client {
  const tenantId = environment["AZURE_TENANT_ID"] ?? "";
  const clientId = environment["AZURE_CLIENT_ID"] ?? "";
  const missing = tenantId === "" ? "AZURE_TENANT_ID" : clientId === "" ? "AZURE_CLIENT_ID" : undefined;
  if (missing !== undefined)
    throw new StorageFailure("StorageAccessDenied", `${companion} is set, and ${missing} that belongs to it is not`);
  return { tenantId, clientId };
}

async function logIn(
  { tenantId, clientId }: Client,
  proof: () => Promise<Record<string, string>>,
  { environment, http }: AzureCredentialsOptions,
  signal: AbortSignal,
): Promise<AccessToken> {
  const authority = environment["AZURE_AUTHORITY_HOST"] ?? "https://login.microsoftonline.com";
  const address = `${authority.replace(/\/$/, "")}/${encodeURIComponent(tenantId)}/oauth2/v2.0/token`;
  if (URL.parse(address) === null)
    throw new StorageFailure("StorageAccessDenied", "AZURE_AUTHORITY_HOST is not an address");
  const form = { grant_type: "client_credentials", client_id: clientId, scope: `${RESOURCE}.default` };
  return await exchangeForToken(http, address, { ...form, ...(await proof()) }, signal);
}

async function askMetadataServer(
  { metadataHttp, environment }: AzureCredentialsOptions,
  signal: AbortSignal,
): Promise<AccessToken> {
  const host = environment["AZURE_POD_IDENTITY_AUTHORITY_HOST"] ?? "http://169.254.169.254";
  const url = URL.parse("/metadata/identity/oauth2/token", host);
  if (url === null)
    throw new StorageFailure("StorageAccessDenied", "AZURE_POD_IDENTITY_AUTHORITY_HOST is not an address");
  url.searchParams.set("api-version", "2018-02-01");
  url.searchParams.set("resource", RESOURCE);
  const clientId = environment["AZURE_CLIENT_ID"];
  if (clientId) url.searchParams.set("client_id", clientId);
  try {
    return await fetchToken(metadataHttp, { url, headers: { metadata: "true" }, place: METADATA_SERVER }, signal);
  } catch (cause) {
    // Outside of Azure nobody answers there.
    if (!(cause instanceof StorageFailure)) throw cause;
    throw new StorageFailure(
      "StorageAccessDenied",
      "there are no credentials: name a Secret with AZURE_STORAGE_ACCESS_KEY, AZURE_STORAGE_SAS_TOKEN or a client's " +
        "AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET in storage.secretRef, give the service account a " +
        `workload identity, or set storage.anonymous: true for a public container (${cause.message})`,
      { cause, transient: cause.transient },
    );
  }
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    const code = systemErrorCode(cause) ?? "unknown error";
    throw new StorageFailure("StorageAccessDenied", `AZURE_FEDERATED_TOKEN_FILE cannot be read (${code})`, { cause });
  }
}
