import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CHECKSUM_ALGORITHMS, checksumLength, createChecksum } from "../../../../runtime/storage/checksum.ts";
import { strongEtag } from "../../../../runtime/storage/etag.ts";
import { checksumFromBase64, checksumsFromHeaders } from "../../../../runtime/storage/announced-checksum.ts";

// The check values of the catalogues: digests of the text "123456789".
test.each([
  ["sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"],
  ["sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"],
  ["md5", "25f9e794323b453885f5181f1b624d0b"],
  ["crc32", "cbf43926"],
  ["crc32c", "e3069283"],
  ["crc64nvme", "ae8b14860a799888"],
] as const)("%s has the published check value", (algorithm, hex) => {
  const checksum = createChecksum(algorithm);
  checksum.update(Buffer.from("123456789"));
  expect(checksum.hex()).toBe(hex);
  expect(hex).toHaveLength(2 * checksumLength(algorithm));
});

test.each(CHECKSUM_ALGORITHMS)("%s does not depend on how the data is cut", (algorithm) => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array()), (chunks) => {
      const parts = createChecksum(algorithm);
      for (const chunk of chunks) parts.update(chunk);
      const whole = createChecksum(algorithm);
      whole.update(Buffer.concat(chunks));
      expect(parts.hex()).toBe(whole.hex());
    }),
  );
});

test("digests of the wrong length or with a suffix are none", () => {
  expect(checksumFromBase64("crc32", "y/Q5Jg==")).toEqual({ algorithm: "crc32", hex: "cbf43926" });
  expect(checksumFromBase64("crc32", "y/Q5Jg==-3")).toBeUndefined();
  expect(checksumFromBase64("sha256", "y/Q5Jg==")).toBeUndefined();
  expect(checksumFromBase64("crc32", undefined)).toBeUndefined();
  expect(checksumFromBase64("crc32", "")).toBeUndefined();
});

test("digests are read from the headers of web servers", () => {
  const base64 = Buffer.alloc(32, 7).toString("base64");
  const hex = "07".repeat(32);
  expect(checksumsFromHeaders({ "repr-digest": `sha-512=:AAAA:, sha-256=:${base64}:` })).toEqual([
    { algorithm: "sha256", hex },
  ]);
  expect(checksumsFromHeaders({ digest: `SHA-256=${base64}` })).toEqual([{ algorithm: "sha256", hex }]);
  expect(checksumsFromHeaders({ "x-goog-hash": "crc32c=4waSgw==, md5=JfnnlDI7RTiF9RgfG2JNCw==" })).toEqual([
    { algorithm: "crc32c", hex: "e3069283" },
    { algorithm: "md5", hex: "25f9e794323b453885f5181f1b624d0b" },
  ]);
  expect(checksumsFromHeaders({ "repr-digest": "sha-256=:???:", etag: '"x"' })).toEqual([]);
});

test.each([
  ['"abc"', '"abc"'],
  ["abc", '"abc"'],
  ['"d41d8cd9-3"', '"d41d8cd9-3"'],
  ['W/"abc"', undefined],
  ["W/abc", undefined],
  ['""', undefined],
  ["", undefined],
  [undefined, undefined],
])("the etag %s can be asked for as %s", (etag, expected) => {
  expect(strongEtag(etag)).toBe(expected);
});
