import { createSign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import type { Environment } from "../../common/environment.ts";
import { rememberToken, type AccessToken } from "./access-token.ts";
import type { HttpClient } from "./http-client.ts";
import { exchange, readJson } from "./http-exchange.ts";
import { exchangeForToken, fetchToken, refuseUnlessGranted, tokenService } from "./token-service.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

const SCOPE = "https://www.googleapis.com/auth/devstorage.read_only";
/** Federation gives a token for other services first, with which the account's own is asked for. */
const FEDERATION_SCOPE = "https://www.googleapis.com/auth/cloud-platform";
const JWT_LIFETIME_S = 3_600;
const METADATA_SERVER = "the metadata server of Google Cloud";

const url = z.url({ protocol: /^https?$/ });
const serviceAccount = z.object({
  type: z.literal("service_account"),
  client_email: z.string().min(1),
  private_key: z.string().min(1),
  private_key_id: z.string().optional(),
  token_uri: url.default("https://oauth2.googleapis.com/token"),
});
const authorizedUser = z.object({
  type: z.literal("authorized_user"),
  client_id: z.string(),
  client_secret: z.string(),
  refresh_token: z.string(),
});
const externalAccount = z.object({
  type: z.literal("external_account"),
  audience: z.string(),
  subject_token_type: z.string(),
  token_url: url,
  service_account_impersonation_url: url.optional(),
  credential_source: z.object({
    file: z.string(),
    format: z
      .object({ type: z.enum(["text", "json"]), subject_token_field_name: z.string().optional() })
      .default({ type: "text" }),
  }),
});
const credentialFile = z.discriminatedUnion("type", [serviceAccount, authorizedUser, externalAccount]);
type CredentialFile = z.infer<typeof credentialFile>;

const impersonationAnswer = z.object({ accessToken: z.string().min(1), expireTime: z.iso.datetime({ offset: true }) });

/** Where the credentials of Google's clouds come from. */
export type GoogleIdentity = "serviceAccountKey" | "file" | "metadataServer";

/** With which identity to read from Google's storage. */
export interface GoogleCredentials {
  readonly identity: GoogleIdentity;
  /** The token to send. Throws StorageFailure. */
  readonly token: () => Promise<string>;
}

/** What credentials are made of. */
export interface GoogleCredentialsOptions {
  readonly environment: Environment;
  /** For services that a file of credentials names. */
  readonly http: HttpClient;
  /** For the cloud's metadata server, which lies in a network that is closed to storages. */
  readonly metadataHttp: HttpClient;
}

/**
 * Finds the credentials as Google's libraries do: GOOGLE_APPLICATION_CREDENTIALS_JSON (the key itself, from the Secret),
 * the file that GOOGLE_APPLICATION_CREDENTIALS names, gcloud's file of the user, the metadata server (on GKE: workload
 * identity).
 */
export function createGoogleCredentials(options: GoogleCredentialsOptions): GoogleCredentials {
  const { environment } = options;
  const text = environment["GOOGLE_APPLICATION_CREDENTIALS_JSON"];
  const file = environment["GOOGLE_APPLICATION_CREDENTIALS"];
  const identity = text ? "serviceAccountKey" : file ? "file" : "metadataServer";
  const acquire = async (signal: AbortSignal): Promise<AccessToken> => {
    if (text) return await acquireFrom(parse(text, "GOOGLE_APPLICATION_CREDENTIALS_JSON"), options, signal);
    if (file)
      return await acquireFrom(
        parse(
          await read(file, "the file of GOOGLE_APPLICATION_CREDENTIALS"),
          "the file of GOOGLE_APPLICATION_CREDENTIALS",
        ),
        options,
        signal,
      );
    const users = await readIfThere(fileOfUser(environment));
    if (users !== undefined) return await acquireFrom(parse(users, "gcloud's file of the user"), options, signal);
    return await askMetadataServer(options, signal);
  };
  return { identity, token: rememberToken(acquire) };
}

async function acquireFrom(
  credentials: CredentialFile,
  { http }: GoogleCredentialsOptions,
  signal: AbortSignal,
): Promise<AccessToken> {
  switch (credentials.type) {
    case "service_account":
      return await exchangeForToken(
        http,
        credentials.token_uri,
        { grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer", assertion: signedJwt(credentials) },
        signal,
      );
    case "authorized_user":
      return await exchangeForToken(
        http,
        "https://oauth2.googleapis.com/token",
        {
          grant_type: "refresh_token",
          client_id: credentials.client_id,
          client_secret: credentials.client_secret,
          refresh_token: credentials.refresh_token,
        },
        signal,
      );
    case "external_account":
      break;
  }
  const { service_account_impersonation_url: impersonationUrl } = credentials;
  const federated = await exchangeForToken(
    http,
    credentials.token_url,
    {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      requested_token_type: "urn:ietf:params:oauth:token-type:access_token",
      audience: credentials.audience,
      scope: impersonationUrl === undefined ? SCOPE : FEDERATION_SCOPE,
      subject_token_type: credentials.subject_token_type,
      subject_token: await subjectToken(credentials.credential_source),
    },
    signal,
  );
  return impersonationUrl === undefined ? federated : await impersonate(http, impersonationUrl, federated, signal);
}

async function impersonate(
  http: HttpClient,
  address: string,
  federated: AccessToken,
  signal: AbortSignal,
): Promise<AccessToken> {
  const server = redactUri(new URL(address).origin);
  const answer = await exchange(
    http,
    {
      method: "POST",
      url: new URL(address),
      headers: { "content-type": "application/json" },
      secretHeaders: { authorization: `Bearer ${federated.token}` },
      body: JSON.stringify({ scope: [SCOPE] }),
      place: server,
    },
    signal,
  );
  await refuseUnlessGranted(answer, server);
  const { accessToken, expireTime } = await readJson(answer, impersonationAnswer, tokenService(server), signal);
  return { token: accessToken, lifetimeMs: Date.parse(expireTime) - Date.now() };
}

async function askMetadataServer(
  { metadataHttp, environment }: GoogleCredentialsOptions,
  signal: AbortSignal,
): Promise<AccessToken> {
  const host = environment["GCE_METADATA_HOST"] ?? "metadata.google.internal";
  const address = `http://${host}/computeMetadata/v1/instance/service-accounts/default/token`;
  try {
    const headers = { "metadata-flavor": "Google" };
    return await fetchToken(metadataHttp, { url: new URL(address), headers, place: METADATA_SERVER }, signal);
  } catch (cause) {
    // Outside of Google Cloud there is no such host.
    if (!(cause instanceof StorageFailure) || cause.reason !== "StorageUnreachable") throw cause;
    throw new StorageFailure(
      "StorageAccessDenied",
      "there are no credentials: name a Secret with GOOGLE_APPLICATION_CREDENTIALS_JSON in storage.secretRef, give the " +
        "service account a cloud identity, or set storage.anonymous: true for a public bucket " +
        `(${cause.message})`,
      { cause, transient: cause.transient },
    );
  }
}

function signedJwt({ client_email, private_key, private_key_id, token_uri }: z.infer<typeof serviceAccount>): string {
  const issuedAt = Math.floor(Date.now() / 1_000);
  const header = { alg: "RS256", typ: "JWT", ...(private_key_id !== undefined && { kid: private_key_id }) };
  const claims = { iss: client_email, scope: SCOPE, aud: token_uri, iat: issuedAt, exp: issuedAt + JWT_LIFETIME_S };
  const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".");
  try {
    return `${signed}.${createSign("RSA-SHA256").update(signed).sign(private_key, "base64url")}`;
  } catch {
    // The library's error may show the key.
    throw new StorageFailure("StorageAccessDenied", "the private_key of the service account's key is not in PEM form");
  }
}

async function subjectToken({ file, format }: z.infer<typeof externalAccount>["credential_source"]): Promise<string> {
  const text = await read(file, "the token of the workload identity");
  if (format.type === "text") return text.trim();
  try {
    const fields: unknown = JSON.parse(text);
    const name = format.subject_token_field_name ?? "access_token";
    const token = Object.entries(fields ?? {}).find(([key]) => key === name)?.[1] as unknown;
    if (typeof token === "string") return token;
  } catch {
    // Said below, without the text.
  }
  throw new StorageFailure("StorageAccessDenied", "the token of the workload identity has not the form that is said");
}

function parse(text: string, what: string): CredentialFile {
  try {
    const parsed = credentialFile.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
  } catch {
    // Said below, without the text.
  }
  throw new StorageFailure(
    "StorageAccessDenied",
    `${what} is not understood: expected a service account's key in JSON, or the configuration of a workload identity federation with a token in a file`,
  );
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw new StorageFailure(
      "StorageAccessDenied",
      `${what} cannot be read (${systemErrorCode(cause) ?? "unknown error"})`,
      { cause },
    );
  }
}

/** Where `gcloud auth application-default login` leaves credentials. */
function fileOfUser(environment: Environment): string {
  const folder = environment["CLOUDSDK_CONFIG"] ?? join(environment["HOME"] ?? "/nonexistent", ".config/gcloud");
  return join(folder, "application_default_credentials.json");
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch {
    return undefined;
  }
}
