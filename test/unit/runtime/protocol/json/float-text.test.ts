import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonWriter } from "../../../../../runtime/protocol/json/json-writer.ts";
import { writeFlat } from "../../../../../runtime/protocol/json/tensor-text.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

/** The text between the brackets, for one value. */
function textOf(datatype: "FP32" | "FP16", bits: number): string {
  const writer = new JsonWriter(0);
  if (datatype === "FP32") {
    const data = new Float32Array(Uint32Array.of(bits).buffer);
    writeFlat(writer, { name: "y", datatype, shape: [1], data });
  } else writeFlat(writer, { name: "y", datatype, shape: [1], data: Uint16Array.of(bits) });
  return writer.finish().toString().slice(1, -1);
}

const valueOf = {
  FP32: (bits: number): number => new Float32Array(Uint32Array.of(bits).buffer)[0] as number,
  FP16: (bits: number): number => new Float16Array(Uint16Array.of(bits).buffer)[0] as number,
};
const roundTo = { FP32: Math.fround, FP16: Math.f16round };

/** Significant digits of a decimal text. */
function digitsOf(text: string): number {
  const [significand = ""] = text.split("e");
  const digits = significand.replaceAll(/[-.]/g, "").replace(/^0+/, "");
  return digits.replace(/0+$/, "").length;
}

/** By trying: the fewest digits with which a decimal reads as the value; integers have all of theirs. */
function fewestDigits(datatype: "FP32" | "FP16", value: number): number {
  if (Number.isSafeInteger(value)) return digitsOf(String(value));
  let digits = 1;
  while (roundTo[datatype](Number(value.toExponential(digits - 1))) !== value) digits++;
  return digitsOf(value.toExponential(digits - 1));
}

function judge(datatype: "FP32" | "FP16", bits: number): { readonly reads: number; readonly digits: number } {
  const text = textOf(datatype, bits);
  return { reads: roundTo[datatype](JSON.parse(text) as number), digits: digitsOf(text) };
}

describe("the text of a narrow float is the shortest that reads as it", () => {
  test("for every finite binary16", () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x1_0000; bits++) {
      const value = valueOf.FP16(bits);
      if (!Number.isFinite(value)) continue;
      const { reads, digits } = judge("FP16", bits);
      if (!Object.is(reads, value) || digits !== fewestDigits("FP16", value)) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
    expect(judge("FP16", 0x7bff)).toEqual({ reads: 65_504, digits: 5 });
  });

  test.each([
    ["any bits", fc.nat(0xffff_ffff)],
    ["usual magnitudes", fc.float({ min: -1000, max: 1000, noNaN: true }).map((value) => Float32Array.of(value))],
    [
      "small magnitudes",
      fc
        .tuple(fc.float({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -16, max: -4 }))
        .map(([value, exponent]) => Float32Array.of(value * 10 ** exponent)),
    ],
    [
      "short decimals",
      fc
        .tuple(fc.nat(999_999), fc.integer({ min: -9, max: 9 }))
        .map(([digits, exponent]) => Float32Array.of(digits * 10 ** exponent)),
    ],
    [
      "next to powers of ten",
      fc.tuple(fc.integer({ min: -12, max: 24 }), fc.integer({ min: -3, max: 3 })).map(([exponent, step]) => {
        const [bits = 0] = new Uint32Array(Float32Array.of(10 ** exponent).buffer);
        return bits + step;
      }),
    ],
    [
      "next to powers of two",
      fc
        .tuple(fc.integer({ min: 1, max: 254 }), fc.integer({ min: -3, max: 3 }))
        .map(([exponent, step]) => exponent * 2 ** 23 + step),
    ],
  ] as const)("for binary32: %s", (_name, arbitrary) => {
    fc.assert(
      fc.property(arbitrary as fc.Arbitrary<number | Float32Array<ArrayBuffer>>, (drawn) => {
        const bits = typeof drawn === "number" ? drawn : (new Uint32Array(drawn.buffer)[0] as number);
        const value = valueOf.FP32(bits);
        fc.pre(Number.isFinite(value));
        expect(judge("FP32", bits)).toEqual({ reads: value, digits: fewestDigits("FP32", value) });
      }),
      { numRuns: runCount(3_000) },
    );
  });

  test.each([
    [0, "0"],
    [-0, "-0"],
    [1, "1"],
    [0.1, "0.1"],
    [-0.25, "-0.25"],
    [16_777_216, "16777216"],
    [1e10, "10000000000"],
    [123_456_789, "123456792"],
    [1e20, "100000000000000000000"],
    [1e21, "1e+21"],
    [3.402_823_466_385_288_6e38, "3.4028235e+38"],
    [1.401_298_464_324_817e-45, "1e-45"],
    [1e-7, "1e-7"],
    [-1.5e-6, "-0.0000015"],
    [0.000_001, "0.000001"],
  ])("%d is written %s", (value, text) => {
    const [bits = 0] = new Uint32Array(Float32Array.of(value).buffer);
    expect(textOf("FP32", bits)).toBe(text);
  });
});
