import * as z from "zod";
import type { AccessToken } from "./access-token.ts";
import type { HttpClient, HttpClientResponse } from "./http-client.ts";
import { exchange, readJson, statusFailure, type ServiceRequest } from "./http-exchange.ts";
import { discardBody } from "./response-body.ts";
import { StorageFailure } from "./storage-failure.ts";
import { redactUri } from "./storage-uri.ts";

// Azure's metadata service writes the number as a text.
const tokenAnswer = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().positive() });

/** Asks for a token in the form of OAuth 2: a POST of fields. Throws StorageFailure. */
export async function exchangeForToken(
  http: HttpClient,
  address: string,
  form: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<AccessToken> {
  return await fetchToken(
    http,
    {
      method: "POST",
      url: new URL(address),
      headers: { "content-type": "application/x-www-form-urlencoded" },
      body: String(new URLSearchParams(form)),
      place: redactUri(new URL(address).origin),
    },
    signal,
  );
}

/** Asks a service for a token; `place` of the request is its name. Throws StorageFailure. */
export async function fetchToken(http: HttpClient, request: ServiceRequest, signal: AbortSignal): Promise<AccessToken> {
  const answer = await exchange(http, request, signal);
  await refuseUnlessGranted(answer, request.place);
  const { access_token: token, expires_in: lifetimeS } = await readJson(
    answer,
    tokenAnswer,
    tokenService(request.place),
    signal,
  );
  return { token, lifetimeMs: lifetimeS * 1_000 };
}

/** Throws StorageFailure for an answer without a token. */
export async function refuseUnlessGranted(answer: HttpClientResponse, server: string): Promise<void> {
  const { status } = answer;
  if (status === 200) return;
  await discardBody(answer.body);
  if (status >= 400 && status < 500 && status !== 408 && status !== 429)
    throw new StorageFailure(
      "StorageAccessDenied",
      `${server} gave no token (status ${status}): the key was revoked, or the identity may not be used here`,
    );
  throw statusFailure(status, server);
}

/** For an answer that is not understood. */
export function tokenService(server: string): { readonly server: string; readonly expected: string } {
  return { server, expected: "a service that gives tokens" };
}
