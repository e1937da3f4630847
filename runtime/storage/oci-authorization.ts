import * as z from "zod";
import type { HttpClient } from "./http-client.ts";
import { exchange, readJson } from "./http-exchange.ts";
import type { OciCredentials } from "./oci-credentials.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";
import { refuseUnlessGranted, tokenService } from "./token-service.ts";

/** What a registry wants before it answers: the header WWW-Authenticate. */
export interface Challenge {
  /** In lower case. */
  readonly scheme: string;
  /** By lower-case names. */
  readonly parameters: Readonly<Record<string, string>>;
}

const tokenAnswer = z
  .object({ token: z.string().min(1).optional(), access_token: z.string().min(1).optional() })
  .refine(({ token, access_token }) => token !== undefined || access_token !== undefined);

/** Reads the first challenge of a header; undefined if there is none. */
export function parseChallenge(header: string | undefined): Challenge | undefined {
  const match = /^\s*([A-Za-z]+)(?:\s+(.*))?$/s.exec(header ?? "");
  if (match === null) return undefined;
  const parameters: Record<string, string> = {};
  for (const [, name = "", quoted, plain] of (match[2] ?? "").matchAll(/([A-Za-z_]+)=(?:"([^"]*)"|([^\s,"]+))/g))
    parameters[name.toLowerCase()] ??= quoted ?? plain ?? "";
  return { scheme: (match[1] ?? "").toLowerCase(), parameters };
}

/**
 * The header Authorization that meets a registry's challenge: the user's own name and password, or a token that the
 * service gives which the challenge names; undefined if nothing can be done without credentials. Throws StorageFailure.
 */
export async function authorize(
  { scheme, parameters }: Challenge,
  {
    http,
    registry,
    repository,
    credentials,
  }: {
    readonly http: HttpClient;
    /** Where the challenge comes from. */
    readonly registry: URL;
    readonly repository: string;
    readonly credentials: OciCredentials | undefined;
  },
  signal: AbortSignal,
): Promise<string | undefined> {
  const basic =
    credentials === undefined
      ? undefined
      : `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`, "utf8").toString("base64")}`;
  if (scheme === "basic") return basic;
  if (scheme !== "bearer") return undefined;
  const { realm = "", service, scope = `repository:${repository}:pull` } = parameters;
  const url = URL.parse(realm);
  if (url === null || (url.protocol !== "https:" && url.protocol !== registry.protocol) || url.username !== "")
    throw new StorageFailure(
      "StorageUnreachable",
      `${redactUri(registry.origin)} sends to an address for tokens that is not used: expected https`,
    );
  if (service !== undefined) url.searchParams.set("service", service);
  url.searchParams.set("scope", scope);
  const server = redactUri(url.origin);
  const secretHeaders = basic === undefined ? {} : { authorization: basic };
  const answer = await exchange(http, { url, secretHeaders, place: server }, signal);
  await refuseUnlessGranted(answer, server);
  const { token, access_token } = await readJson(answer, tokenAnswer, tokenService(server), signal);
  return `Bearer ${token ?? access_token}`;
}
