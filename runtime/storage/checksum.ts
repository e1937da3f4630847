import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";

/** The digests with which storages announce content. */
export const CHECKSUM_ALGORITHMS = ["sha256", "sha512", "sha1", "md5", "crc32", "crc32c", "crc64nvme"] as const;
export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number];

/** A digest that grows with the data. */
export interface RunningChecksum {
  update(chunk: Uint8Array): void;
  /** Lower-case hexadecimal; ends the use of this object. */
  hex(): string;
}

/** Starts a digest. */
export function createChecksum(algorithm: ChecksumAlgorithm): RunningChecksum {
  switch (algorithm) {
    case "sha256":
    case "sha512":
    case "sha1":
    case "md5": {
      const hash = createHash(algorithm);
      return { update: (chunk) => void hash.update(chunk), hex: () => hash.digest("hex") };
    }
    case "crc32": {
      let value = 0;
      return {
        update: (chunk) => {
          value = crc32(chunk, value);
        },
        hex: () => hex32(value),
      };
    }
    case "crc32c":
      return createCrc32c();
    case "crc64nvme":
      break;
  }
  return createCrc64Nvme();
}

/** Length in bytes of a digest. */
export function checksumLength(algorithm: ChecksumAlgorithm): number {
  return { sha256: 32, sha512: 64, sha1: 20, md5: 16, crc32: 4, crc32c: 4, crc64nvme: 8 }[algorithm];
}

/** Reversed polynomial of CRC-32C (Castagnoli), which Google's storage and S3 announce. */
const CRC32C_POLYNOMIAL = 0x82f63b78;
/** Reversed polynomial of CRC-64/NVME, which S3 computes of every object unless told otherwise: high and low half. */
const CRC64_POLYNOMIAL_HIGH = 0x9a6c9329;
const CRC64_POLYNOMIAL_LOW = 0xac4bc9b5;

let crc32cTable: Uint32Array | undefined;
let crc64Tables: { readonly high: Uint32Array; readonly low: Uint32Array } | undefined;

function createCrc32c(): RunningChecksum {
  const table = (crc32cTable ??= makeCrc32cTable());
  let state = 0xffffffff;
  return {
    update: (chunk) => {
      let crc = state;
      for (const byte of chunk) crc = (crc >>> 8) ^ at(table, (crc ^ byte) & 0xff);
      state = crc;
    },
    hex: () => hex32(~state >>> 0),
  };
}

function createCrc64Nvme(): RunningChecksum {
  const { high, low } = (crc64Tables ??= makeCrc64Tables());
  let stateHigh = 0xffffffff;
  let stateLow = 0xffffffff;
  return {
    update: (chunk) => {
      let h = stateHigh;
      let l = stateLow;
      for (const byte of chunk) {
        const index = (l ^ byte) & 0xff;
        l = ((l >>> 8) | (h << 24)) ^ at(low, index);
        h = (h >>> 8) ^ at(high, index);
      }
      stateHigh = h;
      stateLow = l;
    },
    hex: () => hex32(~stateHigh >>> 0) + hex32(~stateLow >>> 0),
  };
}

function makeCrc32cTable(): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ CRC32C_POLYNOMIAL : crc >>> 1;
    return crc;
  });
}

/** In two halves of 32 bits: BigInt is a hundred times slower. */
function makeCrc64Tables(): { high: Uint32Array; low: Uint32Array } {
  const high = new Uint32Array(256);
  const low = new Uint32Array(256);
  for (let byte = 0; byte < 256; byte++) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit++) {
      const carry = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (carry === 1) {
        h ^= CRC64_POLYNOMIAL_HIGH;
        l ^= CRC64_POLYNOMIAL_LOW;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  return { high, low };
}

/** The index is a byte and the table has 256 entries. */
function at(table: Uint32Array, index: number): number {
  return table[index] as number;
}

function hex32(value: number): string {
  return value.toString(16).padStart(8, "0");
}
