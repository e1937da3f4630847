import { StorageFailure } from "./storage-failure.ts";

/** A token that a service takes for who asks, for a while. */
export interface AccessToken {
  readonly token: string;
  /** For how long from when it was given. */
  readonly lifetimeMs: number;
}

/** A new one is asked for so long before the old one expires. */
const RENEW_BEFORE_MS = 120_000;
const ACQUIRE_WITHIN_MS = 10_000;

/** The wall clock may be set back; the other one stands still while a machine sleeps. */
const CLOCKS: readonly (() => number)[] = [() => performance.now(), () => Date.now()];

/**
 * Remembers a token until, by any of the clocks, it is about to expire. Several who ask at the same time share one
 * acquisition, which none of them ends; one that fails is not remembered.
 */
export function rememberToken(
  acquire: (signal: AbortSignal) => Promise<AccessToken>,
  clocks: readonly (() => number)[] = CLOCKS,
): () => Promise<string> {
  let known: { readonly token: string; readonly isFresh: () => boolean } | undefined;
  let underWay: Promise<AccessToken> | undefined;
  return async () => {
    if (known?.isFresh() === true) return known.token;
    underWay ??= acquire(AbortSignal.timeout(ACQUIRE_WITHIN_MS)).finally(() => {
      underWay = undefined;
    });
    const { token, lifetimeMs } = await underWay;
    const untilMs = clocks.map((nowMs) => nowMs() + lifetimeMs - RENEW_BEFORE_MS);
    known = { token, isFresh: () => clocks.every((nowMs, index) => nowMs() < (untilMs[index] ?? 0)) };
    return token;
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
