import type { ActionAnswer, ErrorAnswer } from "../console-views.ts";

const ROOT = "/api/v1/inferenceservices";
const TIMEOUT_MS = 15_000;

/** An answer that is no success. */
export class ApiFailure extends Error {
  override name = "ApiFailure";
  /** 0 where none came. */
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Path of an InferenceService, or of the list. */
export function apiPath(service?: { readonly namespace: string; readonly name: string }): string {
  if (service === undefined) return ROOT;
  return `${ROOT}/${encodeURIComponent(service.namespace)}/${encodeURIComponent(service.name)}`;
}

/** Reads. Throws ApiFailure. */
export function readApi<T>(path: string, token: string): Promise<T> {
  return call<T>(path, token, {});
}

/** Does something to an InferenceService with the person's token. Throws ApiFailure. */
export function act(
  service: { readonly namespace: string; readonly name: string },
  action: object,
  token: string,
): Promise<ActionAnswer> {
  const body = JSON.stringify(action);
  return call(`${apiPath(service)}/actions`, token, { method: "POST", body });
}

async function call<T>(
  path: string,
  token: string,
  init: { readonly method?: "POST"; readonly body?: string },
): Promise<T> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(path, {
      ...init,
      credentials: "omit",
      redirect: "error",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: {
        accept: "application/json",
        ...(init.body !== undefined && { "content-type": "application/json" }),
        ...(token !== "" && { authorization: `Bearer ${token}` }),
      },
    });
    body = await response.json();
  } catch {
    throw new ApiFailure(
      0,
      "The operator does not answer. If you reach it by kubectl port-forward: does that still run?",
    );
  }
  if (response.ok) return body as T;
  const { error } = body as Partial<ErrorAnswer>;
  throw new ApiFailure(response.status, error?.message ?? `The operator answered with status ${response.status}.`);
}
