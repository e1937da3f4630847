import { expect, test } from "vitest";
import { quantityBytes } from "../../../common/quantity-bytes.ts";

test.each([
  ["10Gi", 10 * 1024 ** 3],
  ["1500M", 1_500_000_000],
  ["+1.5Ki", 1536],
  [".5k", 500],
  ["1e3", 1000],
  ["12E-1", 1],
  ["1E", Number.MAX_SAFE_INTEGER],
  ["2E3", 2000],
  ["1500m", 1],
  [4096, 4096],
  ["100Ei", Number.MAX_SAFE_INTEGER],
])("%s is %i bytes", (quantity, bytes) => expect(quantityBytes(quantity)).toBe(bytes));

test.each(["", "ten", "1Kb", "-1", "1 Gi"])("%j is none", (text) =>
  expect(() => quantityBytes(text)).toThrow("expected a quantity"),
);
