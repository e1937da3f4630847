import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { signedText } from "../../common/admin-api.ts";

/** Signs requests to replicas, so that they obey nobody else. */
export class CommandSigner {
  readonly #key: KeyObject;
  /** What replicas check signatures with, in PEM. */
  readonly publicKeyPem: string;

  /** `privateKeyPem` is an Ed25519 key. Throws for anything else. */
  constructor(privateKeyPem: string) {
    this.#key = createPrivateKey(privateKeyPem);
    if (this.#key.asymmetricKeyType !== "ed25519")
      throw new Error(`expected an Ed25519 key, got ${this.#key.asymmetricKeyType ?? "none"}`);
    this.publicKeyPem = createPublicKey(this.#key).export({ type: "spki", format: "pem" });
  }

  /** The signature of a request, in base64; `path` is with its query. */
  signatureOf(request: { readonly method: string; readonly path: string; readonly body: string }): string {
    return sign(null, Buffer.from(signedText(request)), this.#key).toString("base64");
  }
}

/** A new private key, in PEM. */
export function newPrivateKeyPem(): string {
  return generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" });
}
