import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../runtime/errors.ts";
import {
  acceptedCoding,
  compressAnswer,
  contentCodingOf,
  decompress,
} from "../../../../runtime/http/content-encoding.ts";
import { BodyAllowance } from "../../../../runtime/http/request-body.ts";
import { BodyBudget } from "../../../../runtime/serving/body-budget.ts";

const TEXT = Buffer.from('{"data":[1,2,3]}'.repeat(1_000));
const never = new AbortController().signal;

/** An allowance that has taken the compressed bytes, and its budget. */
function allowanceOf(body: Uint8Array, { maxBodyBytes = 1e6, budgetBytes = 1e7 } = {}) {
  const budget = new BodyBudget(budgetBytes);
  const allowance = new BodyAllowance(budget, maxBodyBytes);
  allowance.take(body.byteLength);
  return { allowance, budget };
}

/** Bytes that are free in a budget. */
function freeBytes(budget: BodyBudget, most: number): number {
  let low = 0;
  let high = most + 1;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    try {
      budget.take(middle);
      budget.giveBack(middle);
      low = middle;
    } catch {
      high = middle;
    }
  }
  return low;
}

describe("the coding of a request", () => {
  test.each([
    [undefined, undefined],
    ["", undefined],
    ["identity", undefined],
    ["gzip", "gzip"],
    ["GZip", "gzip"],
    ["x-gzip", "gzip"],
    [" deflate ", "deflate"],
  ])("%s", (header, coding) => {
    expect(contentCodingOf(header)).toBe(coding);
  });

  test.each(["br", "zstd", "gzip, gzip", "gzip;q=1", "identity, gzip"])("%s is refused", (header) => {
    expect(() => contentCodingOf(header)).toThrow("Content-Encoding: expected gzip, deflate or identity, got another");
  });
});

describe("decompression", () => {
  test.each([
    ["gzip", gzipSync(TEXT), "gzip"],
    ["gzip in two members", Buffer.concat([gzipSync(TEXT.subarray(0, 99)), gzipSync(TEXT.subarray(99))]), "gzip"],
    ["zlib", deflateSync(TEXT), "deflate"],
    ["zlib that was stored", deflateSync(TEXT, { level: 0 }), "deflate"],
    ["bare deflate", deflateRawSync(TEXT), "deflate"],
  ] as const)(
    "of %s gives the bytes back, and counts them instead of the compressed ones",
    async (_name, body, coding) => {
      const { allowance, budget } = allowanceOf(body, { budgetBytes: 100_000 });
      expect(await decompress(body, coding, allowance, never)).toEqual(TEXT);
      expect(freeBytes(budget, 100_000)).toBe(100_000 - TEXT.length);
      allowance.end();
      expect(freeBytes(budget, 100_000)).toBe(100_000);
    },
  );

  test.each([
    ["nothing", Buffer.alloc(0), "gzip"],
    ["nothing", Buffer.alloc(0), "deflate"],
    ["text", TEXT, "gzip"],
    ["text", TEXT, "deflate"],
    ["half of it", gzipSync(TEXT).subarray(0, 40), "gzip"],
    ["half of it", deflateSync(TEXT).subarray(0, 40), "deflate"],
    ["more behind the end", Buffer.concat([deflateSync(TEXT), Buffer.from("x")]), "deflate"],
    ["a broken checksum", Buffer.concat([gzipSync(TEXT).subarray(0, -8), Buffer.alloc(8)]), "gzip"],
  ] as const)("%s is refused as %s", async (_name, body, coding) => {
    const { allowance } = allowanceOf(body);
    await expect(decompress(body, coding, allowance, never)).rejects.toThrow(
      `body: expected it to be compressed as ${coding}, got other bytes`,
    );
  });

  test("of a bomb ends early", async () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000), { level: 9 });
    const { allowance, budget } = allowanceOf(bomb, { maxBodyBytes: 100_000, budgetBytes: 1_000_000 });
    await expect(decompress(bomb, "gzip", allowance, never)).rejects.toThrow("expected at most 100000 bytes, got more");
    allowance.end();
    expect(freeBytes(budget, 1_000_000)).toBe(1_000_000);
  });

  test("of many at a time is limited by the memory for all", async () => {
    const body = gzipSync(Buffer.alloc(90_000));
    const budget = new BodyBudget(200_000);
    const results = await Promise.allSettled(
      Array.from({ length: 4 }, () => decompress(body, "gzip", new BodyAllowance(budget, 100_000), never)),
    );
    const refusals = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    expect(refusals.length).toBeGreaterThanOrEqual(2);
    expect(refusals.every((error) => error instanceof ServingError && error.code === "ResourceExhausted")).toBe(true);
  });

  test("ends when the call is aborted", async () => {
    const body = gzipSync(TEXT);
    const controller = new AbortController();
    const { allowance } = allowanceOf(body);
    const done = decompress(body, "gzip", allowance, controller.signal);
    controller.abort(new ServingError("Cancelled", "gone"));
    await expect(done).rejects.toThrow("gone");
    await expect(decompress(body, "gzip", allowance, controller.signal)).rejects.toThrow("gone");
  });
});

describe("the coding of an answer", () => {
  test.each([
    [undefined, undefined],
    ["", undefined],
    ["gzip", "gzip"],
    ["deflate", "deflate"],
    ["gzip, deflate", "gzip"],
    ["deflate, gzip", "gzip"],
    ["gzip, deflate, br, zstd", "gzip"],
    ["br", undefined],
    ["*", "gzip"],
    ["gzip;q=0, *", "deflate"],
    ["gzip;q=0", undefined],
    ["gzip;q=0.000, deflate;q=0.001", "deflate"],
    ["gzip;q=0.4, deflate;q=0.5", "deflate"],
    ["GZIP ; Q=0.5", "gzip"],
    ["x-gzip", "gzip"],
    ["identity", undefined],
    ["identity, gzip;q=0.5", undefined],
    ["identity;q=0.5, gzip;q=0.5", "gzip"],
    ["identity;q=0, deflate", "deflate"],
    ["gzip;q=2", undefined],
    ["gzip;q=a", undefined],
    [",, gzip ,", "gzip"],
  ])("%s", (header, coding) => {
    expect(acceptedCoding(header)).toBe(coding);
  });

  test("is applied to bodies of every form", async () => {
    for (const body of [TEXT, TEXT.toString(), [TEXT.subarray(0, 10), TEXT.subarray(10)]]) {
      const gzip = await compressAnswer({ status: 200, body, headers: { a: "b" } }, "gzip");
      expect(gunzipSync(gzip.body as Uint8Array)).toEqual(TEXT);
      expect(gzip.headers).toEqual({ a: "b", "content-encoding": "gzip" });
      const deflate = await compressAnswer({ status: 200, body }, "deflate");
      expect(inflateSync(deflate.body as Uint8Array)).toEqual(TEXT);
    }
  });
});
