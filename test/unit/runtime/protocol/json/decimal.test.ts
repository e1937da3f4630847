import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonScanner } from "../../../../../runtime/protocol/json/json-scanner.ts";
import { scanTensorData } from "../../../../../runtime/protocol/json/tensor-data.ts";
import type { Datatype } from "../../../../../runtime/core/tensor.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

/** Reads a number twice: alone, and in an array, where another path may take it. */
function read(text: string, datatype: Datatype): number | bigint | string {
  try {
    const [alone] = scanTensorData(new JsonScanner(Buffer.from(text)), "x", datatype, 1).data;
    const [first, second] = scanTensorData(new JsonScanner(Buffer.from(`[${text} , ${text}]`)), "x", datatype, 2).data;
    expect(first).toEqual(alone);
    expect(second).toEqual(alone);
    return alone as number | bigint;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("x: element 0:")) return error.message;
    throw error;
  }
}

/** A decimal text as an exact fraction. */
function fraction(text: string): { readonly numerator: bigint; readonly denominator: bigint } {
  const [significand = "", exponent = "0"] = text.toLowerCase().split("e");
  const [whole = "", decimals = ""] = significand.split(".");
  const power = Number(exponent) - decimals.length;
  const digits = BigInt(whole.replace("-", "") + decimals) * (text.startsWith("-") ? -1n : 1n);
  return power < 0
    ? { numerator: digits, denominator: 10n ** BigInt(-power) }
    : { numerator: digits * 10n ** BigInt(power), denominator: 1n };
}

function fractionOf(double: number): { readonly numerator: bigint; readonly denominator: bigint } {
  let denominator = 1n;
  let value = double;
  while (!Number.isInteger(value)) {
    value *= 2;
    denominator *= 2n;
  }
  return { numerator: BigInt(value), denominator };
}

/** The nearest of the format's values by exact arithmetic; `step` goes from one value to its neighbours. */
function nearest(text: string, round: (value: number) => number, bits: (value: number) => number): number {
  const exact = fraction(text);
  const guess = round(Number(text));
  const distance = (candidate: number): bigint => {
    const { numerator, denominator } = fractionOf(candidate);
    const difference = numerator * exact.denominator - exact.numerator * denominator;
    // Over a denominator that all candidates share.
    return (difference < 0n ? -difference : difference) * (2n ** 200n / denominator);
  };
  let best = guess;
  for (const factor of [1 - 2 ** -10, 1 - 2 ** -23, 1 - 2 ** -24, 1 + 2 ** -24, 1 + 2 ** -23, 1 + 2 ** -10]) {
    const candidate = round(guess * factor);
    const order = distance(candidate) - distance(best);
    if (order < 0n || (order === 0n && bits(candidate) % 2 === 0 && bits(best) % 2 === 1)) best = candidate;
  }
  return best;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);
const bitsOfSingle = (value: number): number => {
  single[0] = value;
  return singleBits[0] as number;
};
const half = new Float16Array(1);
const halfBits = new Uint16Array(half.buffer);
const bitsOfHalf = (value: number): number => {
  half[0] = value;
  return halfBits[0] as number;
};

/** Texts that lie on, just below and just above the midpoints of neighbouring values. */
function nearMidpoints(
  round: (value: number) => number,
  double: fc.Arbitrary<number>,
  unit: number,
): fc.Arbitrary<string> {
  return fc
    .tuple(double, fc.constantFrom("", "1", "0000000000000000000000001", "-"), fc.nat(40))
    .map(([value, tail, cut]) => {
      const low = round(value);
      const high = round(low * (1 + unit));
      const middle = (low + high) / 2;
      const { numerator, denominator } = fractionOf(middle);
      const digits = (numerator * 10n ** 60n) / denominator;
      const text = digits.toString().padStart(61, "0");
      const decimals = `${text.slice(0, -60)}.${text.slice(-60).replace(/0+$/, "")}`;
      if (tail === "-")
        return decimals.slice(0, Math.max(decimals.indexOf(".") + 2, decimals.length - cut)).replace(/\.$/, "");
      return decimals.endsWith(".") ? `${decimals}0${tail}` : decimals + tail;
    });
}

describe("FP32", () => {
  test.each([
    ["0", 0],
    ["-0", -0],
    ["-0.0", -0],
    ["1", 1],
    ["0.1", Math.fround(0.1)],
    ["16777217", 16_777_216],
    ["16777217.0000000000000000000000000001", 16_777_218],
    ["16777219", 16_777_220],
    ["16777218.9999999999999999999999999999", 16_777_218],
    ["1.00000005960464477539062499999999999999", 1],
    ["1.000000059604644775390625", 1],
    ["1.00000005960464477539062500000000000001", 1 + 2 ** -23],
    ["1e-45", 2 ** -149],
    ["7.006492321624085354618e-46", 0],
    ["7.006492321624085354619e-46", 2 ** -149],
    ["3.4028234663852886e38", (2 - 2 ** -23) * 2 ** 127],
    ["340282356779733661637539395458142568447", (2 - 2 ** -23) * 2 ** 127],
    ["1e-400", 0],
    ["0e99999999999999999999", 0],
    ["0.000000000000000000000000000000000000000001e42", 1],
  ])("reads %s", (text, expected) => {
    expect(read(text, "FP32")).toBe(expected);
  });

  test.each(["1e39", "-1e39", "1e400", "340282356779733661637539395458142568448", `1${"0".repeat(400)}`])(
    "refuses %s, which it cannot hold",
    (text) => {
      expect(read(text, "FP32")).toBe("x: element 0: expected a number that FP32 can hold, got one beyond its range");
    },
  );

  test("is the nearest value to any decimal, ties to even", () => {
    const text = fc
      .tuple(fc.double({ min: 1e-30, max: 1e30, noNaN: true }), fc.integer({ min: 1, max: 25 }), fc.boolean())
      .map(([value, digits, isFixed]) =>
        isFixed && value < 1e20 ? value.toFixed(digits) : value.toExponential(digits),
      );
    fc.assert(
      fc.property(text, (decimal) => {
        expect(read(decimal, "FP32")).toBe(nearest(decimal, Math.fround, bitsOfSingle));
      }),
      { numRuns: runCount(3_000) },
    );
  });

  test("is the nearest value right at the midpoints", () => {
    const texts = nearMidpoints(Math.fround, fc.double({ min: 1e-6, max: 1e9, noNaN: true }), 2 ** -23);
    fc.assert(
      fc.property(texts, (decimal) => {
        expect(read(decimal, "FP32")).toBe(nearest(decimal, Math.fround, bitsOfSingle));
      }),
      { numRuns: runCount(3_000) },
    );
  });
});

describe("FP16", () => {
  test.each([
    ["0", 0x0000],
    ["-0", 0x8000],
    ["1", 0x3c00],
    ["-2", 0xc000],
    ["65504", 0x7bff],
    ["65519.99999999999999999999", 0x7bff],
    ["5.960464477539063e-8", 0x0001],
    ["2.98023223876953125e-8", 0x0000],
    ["2.98023223876953125000000001e-8", 0x0001],
    ["0.333251953125", 0x3555],
  ])("reads %s", (text, bits) => {
    expect(read(text, "FP16")).toBe(bits);
  });

  test.each(["65520", "1e5", "-65520"])("refuses %s, which it cannot hold", (text) => {
    expect(read(text, "FP16")).toBe("x: element 0: expected a number that FP16 can hold, got one beyond its range");
  });

  test("is the nearest value, at midpoints too", () => {
    const texts = nearMidpoints(Math.f16round, fc.double({ min: 1e-3, max: 60_000, noNaN: true }), 2 ** -10);
    fc.assert(
      fc.property(texts, (decimal) => {
        expect(read(decimal, "FP16")).toBe(bitsOfHalf(nearest(decimal, Math.f16round, bitsOfHalf)));
      }),
      { numRuns: runCount(3_000) },
    );
  });
});

/** A number in one of the notations of JSON: `digits` x 10^`exponent`. */
function notation(digits: string, exponent: number, form: "plain" | "scientific" | "exponent"): string {
  if (form === "exponent") return `${digits}e${exponent}`;
  if (form === "scientific") return `${digits[0]}.${digits.slice(1)}0E${exponent + digits.length - 1}`;
  if (exponent >= 0) return `${digits}${"0".repeat(exponent)}.0`;
  const padded = digits.padStart(1 - exponent, "0");
  return `${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}

describe.each([
  {
    datatype: "FP32",
    largest: 0x7f7fffff,
    valueOf: (bits: number) => Buffer.from(Uint32Array.of(bits).buffer).readFloatLE(),
  },
  {
    datatype: "FP16",
    largest: 0x7bff,
    valueOf: (bits: number) => new Float16Array(Uint16Array.of(bits).buffer)[0] as number,
  },
] as const)("midpoints of $datatype", ({ datatype, largest, valueOf }) => {
  const storedAs = (bits: number): number => (datatype === "FP16" ? bits : valueOf(bits));
  const beyond = `x: element 0: expected a number that ${datatype} can hold, got one beyond its range`;

  test("of the whole range, in every notation, and the least bit beside them", () => {
    const request = fc.record({
      bits: fc.oneof(fc.integer({ min: 0, max: largest }), fc.constantFrom(0, 1, largest - 1, largest)),
      // Behind the midpoint's last digit, or far behind it.
      zeros: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 250 })),
      side: fc.constantFrom(-1n, 0n, 1n),
      form: fc.constantFrom("plain", "scientific", "exponent"),
    });
    fc.assert(
      fc.property(request, ({ bits, zeros, side, form }) => {
        const low = valueOf(bits);
        const high = bits === largest ? 2 * low - valueOf(bits - 1) : valueOf(bits + 1);
        const { numerator, denominator } = fractionOf((low + high) / 2);
        // A denominator of 2^n becomes one of 10^n.
        const decimals = denominator.toString(2).length - 1;
        const digits = numerator * 5n ** BigInt(decimals) * 10n ** BigInt(zeros) + side;
        const text = notation(digits.toString(), -decimals - zeros, form);
        const isUp = side > 0n || (side === 0n && bits % 2 === 1);
        expect(read(text, datatype)).toBe(isUp && bits === largest ? beyond : storedAs(isUp ? bits + 1 : bits));
      }),
      { numRuns: runCount(3_000) },
    );
  });
});

test("FP64 is what JSON.parse makes of it", () => {
  const text = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
    fc.double({ noNaN: true, min: -1e20, max: 1e20 }).map((value) => value.toFixed(20)),
    fc.tuple(fc.bigInt(), fc.integer({ min: -30, max: 30 })).map(([digits, exponent]) => `${digits}e${exponent}`),
  );
  fc.assert(
    fc.property(text, (decimal) => {
      expect(read(decimal.replace("e+", "e"), "FP64")).toBe(JSON.parse(decimal));
    }),
    { numRuns: runCount(3_000) },
  );
  expect(read("1e400", "FP64")).toBe("x: element 0: expected a number that FP64 can hold, got one beyond its range");
});

describe("integers", () => {
  const ranges = {
    INT8: [-128n, 127n],
    UINT8: [0n, 255n],
    INT16: [-32_768n, 32_767n],
    UINT16: [0n, 65_535n],
    INT32: [-(2n ** 31n), 2n ** 31n - 1n],
    UINT32: [0n, 2n ** 32n - 1n],
    INT64: [-(2n ** 63n), 2n ** 63n - 1n],
    UINT64: [0n, 2n ** 64n - 1n],
  } as const;

  test.each(Object.entries(ranges))("%s holds its range exactly and nothing else", (datatype, [least, greatest]) => {
    const near = fc.oneof(
      fc.bigInt({ min: least - 3n, max: least + 3n }),
      fc.bigInt({ min: greatest - 3n, max: greatest + 3n }),
      fc.bigInt({ min: least, max: greatest }),
      fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }),
    );
    fc.assert(
      fc.property(near, (integer) => {
        const beyond = `x: element 0: expected a number that ${datatype} can hold, got one beyond its range`;
        const got = read(String(integer), datatype as Datatype);
        expect(String(got)).toBe(integer >= least && integer <= greatest ? String(integer) : beyond);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    ["9007199254740993", 9_007_199_254_740_993n],
    ["-9007199254740993", -9_007_199_254_740_993n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["2.0", 2n],
    ["2.50e1", 25n],
    ["9007199254740993.000", 9_007_199_254_740_993n],
    ["9.007199254740993e15", 9_007_199_254_740_993n],
    ["90071992547409930e-1", 9_007_199_254_740_993n],
    ["-0", 0n],
    ["-0.0e5", 0n],
    ["0e999999999999", 0n],
    [`0.${"0".repeat(50)}1e51`, 1n],
    [`1${"0".repeat(50)}e-50`, 1n],
  ])("INT64 reads %s", (text, expected) => {
    expect(read(text, "INT64")).toBe(expected);
  });

  test.each(["0.5", "1e-1", "9007199254740993.5", "1e-400", "1.0000000000000000000000000001"])(
    "no integer is %s",
    (text) => {
      for (const datatype of ["INT64", "UINT64", "INT32", "UINT8"] as const) {
        expect(read(text, datatype)).toBe(`x: element 0: expected a number that ${datatype} can hold, got a fraction`);
      }
    },
  );

  test("huge exponents are refused at once", () => {
    expect(read("1e999999999", "INT64")).toMatch(/beyond its range/);
    expect(read("1e400", "UINT8")).toMatch(/beyond its range/);
  });
});
