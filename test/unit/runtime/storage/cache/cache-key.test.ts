import { describe, expect, test } from "vitest";
import { CACHE_KEY, cacheKey, type CacheableFile } from "../../../../../runtime/storage/cache/cache-key.ts";

const file: CacheableFile = {
  sha256: undefined,
  place: ["s3://models/digits", undefined, "digits/1/model.onnx"],
  etag: '"1"',
  sizeBytes: 10,
};
const sha256 = "ab".repeat(32);

describe("the name of a cached file", () => {
  test("is its digest where one is known, wherever it comes from", () => {
    const key = cacheKey({ ...file, sha256 });
    expect(key).toBe(`sha256-${sha256}`);
    expect(cacheKey({ ...file, sha256, place: ["gs://other"], etag: undefined })).toBe(key);
  });

  test.each<[string, Partial<CacheableFile>]>([
    ["another place", { place: ["s3://models/other", undefined, "digits/1/model.onnx"] }],
    ["another endpoint", { place: ["s3://models/digits", "http://x", "digits/1/model.onnx"] }],
    ["the same text in other parts", { place: ["s3://models/digits", "digits/1/model.onnx"] }],
    ["another state", { etag: '"2"' }],
    ["another size", { sizeBytes: 11 }],
  ])("differs for %s", (_, change) => {
    expect(cacheKey(file)).toMatch(CACHE_KEY);
    expect(cacheKey({ ...file, ...change })).toMatch(CACHE_KEY);
    expect(cacheKey({ ...file, ...change })).not.toBe(cacheKey(file));
  });

  test.each<[string, Partial<CacheableFile>]>([
    ["neither digest nor state is known", { etag: undefined }],
    ["the size is not known", { sizeBytes: undefined }],
    ["the size is not known of a digest", { sizeBytes: undefined, sha256 }],
  ])("is none where %s", (_, change) => {
    expect(cacheKey({ ...file, ...change })).toBeUndefined();
  });
});
