import { generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  isSignatureOf,
  KeyError,
  parsePrivateKey,
  parsePublicKey,
  publicKeyText,
  signManifest,
} from "../../../../runtime/storage/manifest-signature.ts";

const { privateKey, publicKey } = generateKeyPairSync("ed25519");
const pem = publicKey.export({ format: "pem", type: "spki" });
const der = publicKey.export({ format: "der", type: "spki" });
const bytes = Buffer.from('{"schemaVersion":1}');

describe("a public key", () => {
  test.each([
    ["PEM", pem],
    ["PEM in one line", pem.replaceAll("\n", " ")],
    ["base64 of its DER form", der.toString("base64")],
    ["base64 of its 32 bytes", der.subarray(12).toString("base64")],
    ["base64 in lines", `${der.toString("base64").slice(0, 30)}\n${der.toString("base64").slice(30)}\n`],
  ])("may be %s", (_words, text) => {
    expect(publicKeyText(parsePublicKey(text))).toBe(der.toString("base64"));
  });

  test("is told of the private one", () => {
    const pkcs8 = privateKey.export({ format: "pem", type: "pkcs8" });
    expect(publicKeyText(parsePrivateKey(pkcs8))).toBe(der.toString("base64"));
  });

  test.each([
    ["nothing", ""],
    ["something else", "not a key"],
    ["a byte too few", der.subarray(13).toString("base64")],
    ["a byte too many", Buffer.concat([der, Buffer.of(0)]).toString("base64")],
    ["of another kind", generateKeyPairSync("x25519").publicKey.export({ format: "pem", type: "spki" })],
    [
      "of an elliptic curve",
      generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "pem", type: "spki" }),
    ],
    ["private", privateKey.export({ format: "pem", type: "pkcs8" })],
  ])("is not %s", (_words, text) => {
    expect(() => parsePublicKey(text)).toThrow(KeyError);
  });
});

test.each([
  ["a public key", pem],
  [
    "another kind of key",
    generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "pem", type: "pkcs8" }),
  ],
  [
    "one with a passphrase",
    privateKey.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "CANARY" }),
  ],
  ["something else", "CANARY"],
])("a private key is not %s, and nothing of it is told", (_words, text) => {
  expect(() => parsePrivateKey(text)).toThrow(KeyError);
  expect(() => parsePrivateKey(text)).not.toThrow(/CANARY/);
});

describe("a signature", () => {
  test("is of these bytes by this key", () => {
    const signature = signManifest(bytes, privateKey);
    expect(isSignatureOf(bytes, signature, publicKey)).toBe(true);
    expect(isSignatureOf(bytes, signature, generateKeyPairSync("ed25519").publicKey)).toBe(false);
    expect(isSignatureOf(bytes, signature.subarray(1), publicKey)).toBe(false);
    expect(isSignatureOf(bytes, Buffer.concat([signature, Buffer.of(0)]), publicKey)).toBe(false);
    expect(isSignatureOf(bytes, new Uint8Array(64), publicKey)).toBe(false);
  });

  test("is void after any change", () => {
    const signature = signManifest(bytes, privateKey);
    fc.assert(
      fc.property(fc.nat(bytes.length + 63), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const both = Buffer.concat([bytes, signature]);
        both[at] = (both[at] ?? 0) ^ flip;
        expect(isSignatureOf(both.subarray(0, bytes.length), both.subarray(bytes.length), publicKey)).toBe(false);
      }),
    );
  });
});
