import { createPrivateKey, createPublicKey, sign, verify, type KeyObject } from "node:crypto";

/** What precedes the 32 bytes of an Ed25519 public key in its DER form (SubjectPublicKeyInfo). */
const SPKI_PREFIX = Buffer.from("302a300506032b6570032100", "hex");
const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** Thrown for a text that is no Ed25519 key. Says what was expected, and nothing of the text. */
export class KeyError extends Error {
  override name = "KeyError";
}

/**
 * Reads an Ed25519 public key: in PEM, as openssl writes it, or in base64 its DER form or its 32 bytes. Throws
 * {@link KeyError}.
 */
export function parsePublicKey(text: string): KeyObject {
  const expected = "expected an Ed25519 public key, in PEM (BEGIN PUBLIC KEY) or in base64";
  const body = /^\s*-----BEGIN PUBLIC KEY-----([^-]*)-----END PUBLIC KEY-----\s*$/.exec(text)?.[1] ?? text;
  const base64 = body.replaceAll(/\s/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) throw new KeyError(expected);
  const bytes = Buffer.from(base64, "base64");
  const der = bytes.length === PUBLIC_KEY_BYTES ? Buffer.concat([SPKI_PREFIX, bytes]) : bytes;
  if (der.length !== SPKI_PREFIX.length + PUBLIC_KEY_BYTES || !der.subarray(0, SPKI_PREFIX.length).equals(SPKI_PREFIX))
    throw new KeyError(expected);
  try {
    return createPublicKey({ key: der, format: "der", type: "spki" });
  } catch (cause) {
    throw new KeyError(expected, { cause });
  }
}

/** Reads an Ed25519 private key in PEM (PKCS #8), not encrypted. Throws {@link KeyError}. */
export function parsePrivateKey(pem: string): KeyObject {
  const expected = "expected an Ed25519 private key in PEM (BEGIN PRIVATE KEY), without a passphrase";
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: pem, format: "pem" });
  } catch {
    // The library's error may hold more of the text than is good.
    throw new KeyError(expected);
  }
  if (key.asymmetricKeyType !== "ed25519") throw new KeyError(`${expected}, got one of type ${key.asymmetricKeyType}`);
  return key;
}

/** The public key in the form for storage.verify.publicKey: base64 of its DER form. `key` may be the private one. */
export function publicKeyText(key: KeyObject): string {
  const publicKey = key.type === "private" ? createPublicKey(key) : key;
  return publicKey.export({ format: "der", type: "spki" }).toString("base64");
}

/** Signs a manifest's bytes; 64 bytes. */
export function signManifest(manifest: Uint8Array, privateKey: KeyObject): Uint8Array {
  return sign(null, manifest, privateKey);
}

/** Whether these bytes were signed with the private part of the key. */
export function isSignatureOf(manifest: Uint8Array, signature: Uint8Array, publicKey: KeyObject): boolean {
  return signature.length === SIGNATURE_BYTES && verify(null, manifest, publicKey, signature);
}
