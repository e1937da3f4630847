import { createPublicKey, verify, type KeyObject } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { signedText } from "../../common/admin-api.ts";

/** Tells requests of the operator from those of others. */
export interface OperatorKeys {
  /** Whether the operator has signed the request. `path` is with its query. */
  verify(
    request: { readonly method: string; readonly path: string; readonly body: string },
    signature: string,
  ): boolean;
}

/** How often, at most, the file is looked at again, in ms. */
const REREAD_MS = 1_000;
const PEM = /-----BEGIN PUBLIC KEY-----[^-]+-----END PUBLIC KEY-----/g;

/**
 * The Ed25519 public keys in a PEM file: several while one is replaced by another. The file is read again when a signature
 * does not fit, since a key that the operator has replaced arrives there without a restart. A file that is not there yet
 * holds no key.
 */
export function createOperatorKeys(file: string): OperatorKeys {
  let keys: readonly KeyObject[] = [];
  let readAtMs = Number.NEGATIVE_INFINITY;
  let stamp = "";

  function reread(): boolean {
    const nowMs = performance.now();
    if (nowMs - readAtMs < REREAD_MS) return false;
    readAtMs = nowMs;
    try {
      const { mtimeMs, ino } = statSync(file);
      if (`${mtimeMs} ${ino}` === stamp) return false;
      keys = (readFileSync(file, "utf8").match(PEM) ?? []).map((pem) => createPublicKey(pem));
      stamp = `${mtimeMs} ${ino}`;
      return true;
    } catch {
      return false;
    }
  }

  return {
    verify({ method, path, body }, signature) {
      const text = Buffer.from(signedText({ method, path, body }));
      const bytes = Buffer.from(signature, "base64");
      const fits = (): boolean => bytes.length === 64 && keys.some((key) => verify(null, text, key, bytes));
      return fits() || (reread() && fits());
    },
  };
}
