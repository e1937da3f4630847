import { describe, expect, test } from "vitest";
import {
  answerEncodingOf,
  compressFrame,
  decompress,
  encodingOf,
  sealFrame,
} from "../../../../runtime/grpc/server/compression.ts";

const MAX_BYTES = 100_000;

describe.each(["gzip", "deflate"] as const)("%s", (encoding) => {
  test.each([2_000, 5_000, 90_000])("gives back %d bytes", async (size) => {
    const frame = sealFrame(Buffer.alloc(5 + size, 3));
    const compressed = await compressFrame(frame, encoding);
    expect(compressed.length).toBeLessThan(frame.length);
    expect(compressed[0]).toBe(1);
    expect(compressed.readUInt32BE(1)).toBe(compressed.length - 5);
    const message = await decompress(compressed.subarray(5), encoding, MAX_BYTES);
    expect(message.equals(frame.subarray(5))).toBe(true);
  });

  test("refuses other bytes, and more of them than there may be", async () => {
    await expect(decompress(Buffer.from("no"), encoding, MAX_BYTES)).rejects.toMatchObject({ code: "InvalidArgument" });
    const bomb = await compressFrame(sealFrame(Buffer.alloc(1_000_000)), encoding);
    expect(bomb.length).toBeLessThan(4_096);
    await expect(decompress(bomb.subarray(5), encoding, MAX_BYTES)).rejects.toMatchObject({ code: "PayloadTooLarge" });
  });
});

test("short answers, and those that would not get shorter, stay as they are", async () => {
  const short = sealFrame(Buffer.alloc(500));
  expect(await compressFrame(short, "gzip")).toBe(short);
  const random = sealFrame(Buffer.from(Array.from({ length: 3_000 }, (_, index) => (index * index * 7_919) % 251)));
  const noise = await compressFrame(random, "gzip");
  expect(noise.length).toBeLessThanOrEqual(random.length);
});

test("an unknown encoding is refused, and answers are encoded as requests are", () => {
  expect(encodingOf(undefined)).toBeUndefined();
  expect(encodingOf("identity")).toBeUndefined();
  expect(encodingOf("gzip")).toBe("gzip");
  expect(() => encodingOf("snappy")).toThrow(/one of identity,deflate,gzip/);
  expect(answerEncodingOf("gzip", "identity, deflate, gzip")).toBe("gzip");
  expect(answerEncodingOf("gzip", "identity")).toBeUndefined();
  expect(answerEncodingOf(undefined, "gzip")).toBeUndefined();
});
