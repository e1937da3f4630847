import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ServingError } from "../../../../runtime/errors.ts";
import { encodeMessage, parseTimeout, statusOf } from "../../../../runtime/grpc/server/metadata.ts";

describe("grpc-timeout", () => {
  test.each([
    ["1H", 3_600_000],
    ["2M", 120_000],
    ["3S", 3_000],
    ["400m", 400],
    ["500000u", 500],
    ["99999999n", 99.999_999],
    ["0m", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(parseTimeout(text)).toBeCloseTo(ms, 9);
  });

  test.each(["", "1", "m", "123456789m", "-1m", "1.5S", "1s", " 1m"])("%j is refused", (text) => {
    expect(() => parseTimeout(text)).toThrow(ServingError);
  });

  test("may be missing", () => {
    expect(parseTimeout(undefined)).toBeUndefined();
  });
});

describe("grpc-message", () => {
  test("is printable ASCII, and gives the text back", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const encoded = encodeMessage(text);
        expect(encoded).toMatch(/^[\x20-\x7e]*$/);
        expect(decodeURIComponent(encoded)).toBe(text);
      }),
    );
  });

  test("leaves plain texts alone, and cuts long ones", () => {
    expect(encodeMessage('input "x": expected shape [1]')).toBe('input "x": expected shape [1]');
    expect(encodeMessage("100 %")).toBe("100 %25");
    expect(encodeMessage("a".repeat(5_000)).length).toBeLessThan(1_100);
  });
});

test("an error's status has its code of gRPC, and tells when to try again", () => {
  expect(statusOf(new ServingError("NotFound", "no"))).toEqual({ "grpc-status": "5", "grpc-message": "no" });
  expect(statusOf(new ServingError("ResourceExhausted", "full"))).toEqual({
    "grpc-status": "8",
    "grpc-message": "full",
    "grpc-retry-pushback-ms": "1000",
  });
});
