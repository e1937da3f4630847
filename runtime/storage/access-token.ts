import { StorageFailure } from "./storage-failure.ts";

/** A token that a service takes for who asks, until it expires. */
export interface AccessToken {
  readonly token: string;
  readonly expiresAtMs: number;
}

/** A new one is asked for so long before the old one expires. */
const RENEW_BEFORE_MS = 120_000;
const ACQUIRE_WITHIN_MS = 10_000;

/**
 * Remembers a token until shortly before it expires. Several who ask at the same time share one acquisition, which none
 * of them ends; one that fails is not remembered.
 */
export function rememberToken(
  acquire: (signal: AbortSignal) => Promise<AccessToken>,
  now: () => number = Date.now,
): () => Promise<string> {
  let known: AccessToken | undefined;
  let underWay: Promise<AccessToken> | undefined;
  return async () => {
    if (known !== undefined && known.expiresAtMs - RENEW_BEFORE_MS > now()) return known.token;
    underWay ??= acquire(AbortSignal.timeout(ACQUIRE_WITHIN_MS)).finally(() => {
      underWay = undefined;
    });
    known = await underWay;
    return known.token;
  };
}

/** Gets a token for a request; a denial says for what. Throws StorageFailure. */
export async function tokenFor<T>(place: string, token: () => T | Promise<T>): Promise<T> {
  try {
    return await token();
  } catch (error) {
    if (!(error instanceof StorageFailure) || error.reason !== "StorageAccessDenied") throw error;
    const message = `${place} cannot be asked for: ${error.message}`;
    throw new StorageFailure(error.reason, message, { cause: error, transient: error.transient });
  }
}
