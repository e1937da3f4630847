import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { WINDOW_BYTES } from "../../../../../runtime/protocol/json/float-scan-code.ts";
import { JsonScanner } from "../../../../../runtime/protocol/json/json-scanner.ts";
import { scanTensorData } from "../../../../../runtime/protocol/json/tensor-data.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

type FloatType = "FP32" | "FP64";
const FLOAT_TYPES: readonly FloatType[] = ["FP32", "FP64"];

/** What reading a text gives, or how it fails; with or without windows, which must make no difference but of time. */
function read(text: string, datatype: FloatType, hasWindows: boolean, capacity?: number): unknown {
  const scanner = new JsonScanner(Buffer.from(text));
  if (!hasWindows) scanner.floats.shortScans = Infinity;
  try {
    const { data, count, dimensions } = scanTensorData(scanner, "data", datatype, capacity);
    return { bits: Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex"), count, dimensions };
  } catch (error) {
    return error;
  }
}

function expectSame(text: string, datatype: FloatType): void {
  const oneByOne = read(text, datatype, false);
  expect(read(text, datatype, true)).toEqual(oneByOne);
  // The same where the shape is known before.
  expect(read(text, datatype, true, text.length)).toEqual(oneByOne);
}

const digits = (most: number): fc.Arbitrary<string> =>
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: most }).map((values) => values.join(""));
/** Numbers in every notation that JSON has, most of them of the usual lengths. */
const number = fc
  .tuple(
    fc.constantFrom("", "", "", "-"),
    fc.oneof(
      fc.constantFrom("0", "1", "255"),
      digits(21).map((text) => text.replace(/^0+(?=.)/, "")),
    ),
    fc.option(fc.oneof({ weight: 5, arbitrary: digits(18) }, digits(30))),
    fc.option(fc.tuple(fc.constantFrom("e", "E", "e-", "E+"), digits(2)), { freq: 4 }),
  )
  .map(([sign, whole, fraction, exponent]) => {
    return `${sign}${whole}${fraction === null ? "" : `.${fraction}`}${exponent === null ? "" : exponent.join("")}`;
  })
  .filter((text) => Math.abs(Number(text)) < 3e38);
const comma = fc.constantFrom(",", ",", ", ", " ,", ",\n\t ");

/** Numbers, and more of the usual kind, so that there is a window to read. */
const manyNumbers = fc
  .tuple(
    fc.array(fc.tuple(number, comma), { minLength: 1, maxLength: 60 }),
    fc.double({ noNaN: true, min: -1, max: 1 }),
  )
  .map(([some, usual]) => {
    const filling = Array.from({ length: 60 }, (_, index) => String(Math.fround(usual * (index + 1)))).join(",");
    return `[${filling},${some.map(([text, separator]) => `${text}${separator}`).join("")}${filling}]`;
  });

describe.each(FLOAT_TYPES)("many numbers at a time: %s", (datatype) => {
  test("give what they give one by one", () => {
    fc.assert(
      fc.property(manyNumbers, (text) => expectSame(text, datatype)),
      { numRuns: runCount(400) },
    );
  });

  test("are refused where they are refused one by one", () => {
    const odd = fc.constantFrom(
      ...Array.from('-+.eE,[]{}" 0x9\0Nn\u00e9'),
      "--",
      "00",
      "1.",
      ".5",
      "1e",
      "NaN",
      "null",
    );
    fc.assert(
      fc.property(manyNumbers, fc.nat(), odd, fc.nat(3), (text, place, piece, removed) => {
        const at = place % text.length;
        expectSame(`${text.slice(0, at)}${piece}${text.slice(at + removed)}`, datatype);
      }),
      { numRuns: runCount(800) },
    );
  });

  test.each([1, 3, 16, 17, 40, 192])("in rows of %i", (width) => {
    const row = `[${Array.from({ length: width }, (_, index) => String(Math.fround(index / 7))).join(", ")}]`;
    expectSame(`[${Array.from({ length: 3_000 / width + 2 }, () => row).join(",")}]`, datatype);
  });

  test("wherever a window ends", () => {
    const numbers = Array.from({ length: 8_000 }, (_, index) => String(Math.fround((index - 4_000) / 7)));
    for (let shift = 0; shift < 40; shift++) expectSame(`[${" ".repeat(shift)}${numbers.join(",")}]`, datatype);
    expectSame(`[1${" ".repeat(WINDOW_BYTES + 5)},${numbers.join(",")}]`, datatype);
    expectSame(`[1,${" ".repeat(WINDOW_BYTES + 5)}${numbers.join(",")}]`, datatype);
  });
});

test("two texts that are read in turn do not get each other's numbers", () => {
  const texts = ["1.25", "2.5"].map((element) => `[${Array.from({ length: 400 }, () => element).join(",")}]`);
  const scanners = texts.map((text) => new JsonScanner(Buffer.from(`[${text},${text}]`)));
  const rows = scanners.map((scanner) => {
    const values: number[][] = [];
    const readRow = (): void => {
      values.push([...scanTensorData(scanner, "row", "FP32", undefined).data]);
    };
    return { scanner, values, readRow };
  });
  const [first, second] = rows as [(typeof rows)[0], (typeof rows)[0]];
  first.scanner.readArray("rows", (index) => {
    first.readRow();
    if (index === 0) second.scanner.readArray("rows", () => second.readRow());
  });
  expect(first.values).toEqual([0, 1].map(() => Array.from({ length: 400 }, () => 1.25)));
  expect(second.values).toEqual([0, 1].map(() => Array.from({ length: 400 }, () => 2.5)));
});
