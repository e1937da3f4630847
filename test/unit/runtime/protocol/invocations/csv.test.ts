import { array, assert, bigInt, float, property, record, tuple } from "fast-check";
import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import {
  INVOCATIONS_DIALECT as BOTH,
  MLFLOW_DIALECT as MLFLOW,
  SAGEMAKER_DIALECT as SAGEMAKER,
} from "../../../../../runtime/protocol/invocations/invocations-dialects.ts";
import { answerTo, inputsOf, servableOf, textOf } from "../dialect-harness.ts";
import { anyText } from "../../../../fixtures/any-text.ts";

const CSV = { "content-type": "text/csv" };
const MATRIX: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 3] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
};
const COLUMNS: Signature = {
  inputs: [
    { name: "id", datatype: "INT64", shape: [-1] },
    { name: "text", datatype: "BYTES", shape: [-1, 1] },
    { name: "pay", datatype: "FP64", shape: [-1, 1] },
  ],
  outputs: [
    { name: "label", datatype: "BYTES", shape: [-1] },
    { name: "score", datatype: "FP32", shape: [-1, 2] },
  ],
};

function matrix(...numbers: number[]) {
  return { input: { shape: [numbers.length / 3, 3], data: Float32Array.from(numbers) } };
}

describe("rows of numbers", () => {
  test.each([
    ["with LF", "1,2.5,-3\n4,5,6\n", matrix(1, 2.5, -3, 4, 5, 6)],
    ["with CRLF", "1,2.5,-3\r\n4,5,6\r\n", matrix(1, 2.5, -3, 4, 5, 6)],
    ["without an end", "1,2.5,-3\n4,5,6", matrix(1, 2.5, -3, 4, 5, 6)],
    ["with an end of CR", "1,2,3\r", matrix(1, 2, 3)],
    ["with empty lines", "\n1,2,3\n\r\n\n4,5,6\n\n", matrix(1, 2, 3, 4, 5, 6)],
    ["with blanks and quotes", ' 1 ,"2",\t3\n', matrix(1, 2, 3)],
    ["whose first is missing", "1,2,3\n,5,6\n", matrix(1, 2, 3, Number.NaN, 5, 6)],
    ["some in quotes", '1,"2",3\n4,5,"6"', matrix(1, 2, 3, 4, 5, 6)],
    ["with more zeros than need be", "00,-00.50,+0.0e+01\n", matrix(0, -0.5, 0)],
    ["with digits on one side of the point", "-.5,-5.,+.25e1\n", matrix(-0.5, -5, 2.5)],
    ["in any notation", "+1,.5,5.\n007,1e2,-1E-2\n", matrix(1, 0.5, 5, 7, 100, -0.01)],
    [
      "that are missing",
      ",NaN,nan\nNA,null,1\n",
      matrix(Number.NaN, Number.NaN, Number.NaN, Number.NaN, Number.NaN, 1),
    ],
    ["that are infinite", "inf,-Infinity,+Inf\n", matrix(Infinity, -Infinity, Infinity)],
    ["with a byte order mark", "\ufeff1,2,3\n", matrix(1, 2, 3)],
    [
      "next to a midpoint of two singles",
      "1.00000005960464477540,16777217,16777219\n",
      matrix(1.0000001192092896, 16_777_216, 16_777_220),
    ],
  ])("%s", (_name, body, expected) => {
    expect(inputsOf(SAGEMAKER, body, servableOf(MATRIX), CSV)).toEqual(expected);
    expect(inputsOf(MLFLOW, body, servableOf(MATRIX), { "content-type": "Text/CSV; charset=UTF-8" })).toEqual(expected);
  });
});

describe("the first row", () => {
  test.each([
    ["names that are no numbers", "a,b,c\n1,2,3\n", matrix(1, 2, 3)],
    ["names in quotes", '"a ""x""","b,c","d\n"\n1,2,3\n', matrix(1, 2, 3)],
    ["numbers", "1,2,3\n", matrix(1, 2, 3)],
    ["missing numbers", ",,\n1,2,3\n", matrix(Number.NaN, Number.NaN, Number.NaN, 1, 2, 3)],
  ])("is told by itself: %s", (_name, body, expected) => {
    expect(inputsOf(BOTH, body, servableOf(MATRIX), CSV)).toEqual(expected);
  });

  test("is told by the request", () => {
    const present = { "content-type": "text/csv; header=present" };
    expect(inputsOf(BOTH, "1,2,3\n4,5,6\n", servableOf(MATRIX), present)).toEqual(matrix(4, 5, 6));
    const absent = { "content-type": 'text/csv; header="absent"' };
    expect(() => inputsOf(BOTH, "a,b,c\n4,5,6\n", servableOf(MATRIX), absent)).toThrow(
      /row 0, column 0: expected a number/,
    );
  });

  test("is not taken for names when only some of it is wrong", () => {
    expect(() => inputsOf(BOTH, "1,secret,3\n4,5,6\n", servableOf(MATRIX), CSV)).toThrow(
      "CSV: row 0, column 1: expected a number for FP32, got another text",
    );
  });

  test("names the inputs, in any order", () => {
    const body = 'pay,text,id\n1.5,"a,""b""\n",9007199254740993\n,,2\n';
    expect(inputsOf(MLFLOW, body, servableOf(COLUMNS), CSV)).toEqual({
      id: { shape: [2], data: BigInt64Array.of(9_007_199_254_740_993n, 2n) },
      text: { shape: [2, 1], data: ['a,"b"\n', ""] },
      pay: { shape: [2, 1], data: Float64Array.of(1.5, Number.NaN) },
    });
  });

  test("may be missing: then columns are inputs in their order", () => {
    expect(inputsOf(SAGEMAKER, "7,ü,2\n", servableOf(COLUMNS), CSV)).toEqual({
      id: { shape: [1], data: BigInt64Array.of(7n) },
      text: { shape: [1, 1], data: ["ü"] },
      pay: { shape: [1, 1], data: Float64Array.of(2) },
    });
  });

  test("of texts is names only if they are the inputs'", () => {
    const servable = servableOf({ ...MATRIX, inputs: [{ name: "text", datatype: "BYTES", shape: [-1, 1] }] });
    expect(inputsOf(BOTH, "text\nhello\n", servable, CSV)).toEqual({ text: { shape: [1, 1], data: ["hello"] } });
    expect(inputsOf(BOTH, "hello\ntext\n", servable, CSV)).toEqual({
      text: { shape: [2, 1], data: ["hello", "text"] },
    });
  });
});

test("booleans", () => {
  const servable = servableOf({ ...MATRIX, inputs: [{ name: "b", datatype: "BOOL", shape: [-1, 4] }] });
  expect(inputsOf(BOTH, "true,False,1,0\n", servable, CSV)).toEqual({
    b: { shape: [1, 4], data: Uint8Array.of(1, 0, 1, 0) },
  });
  expect(() => inputsOf(BOTH, "true,2,1,0\n", servable, CSV)).toThrow(/column 1: expected true or false for BOOL/);
});

describe("refusals", () => {
  test.each([
    ["", "CSV: expected at least 1 row, got none"],
    ["\n\n", "CSV: expected at least 1 row, got none"],
    ["a,b,c\n", "CSV: expected at least 1 row, got none"],
    ["1,2\n", 'CSV: expected 3 columns for input "input", got 2'],
    ["1,2,3\n1,2\n", "CSV: row 1: expected 3 cells, got 2"],
    ["1,2,3\n1\n,2,3\n", "CSV: row 1: expected 3 cells, got 1"],
    ["1,2,.\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    ["1,2,-\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    ["1,2,e5\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    ["1,2,5e\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    ["1,2,1 2\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    ["1,2,1.2.3\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    ["1,2,3\n1,2,3,4\n", "CSV: row 1: expected 3 cells, got 4"],
    ["1,2,3\n1,,x\n", "CSV: row 1, column 2: expected a number for FP32, got another text"],
    ['1,2,3\n1,2,"3\n', "CSV: expected the end of a quoted cell at byte 13, got something else"],
    ['1,2,"3"4\n', "CSV: expected a comma or the end of the line behind a quoted cell at byte 7, got something else"],
    ['1,2,3"4"\n', "CSV: expected quotes around whole cells at byte 5, got something else"],
    ["1,2,1e999\n", 'input "input": element 2: expected a number that FP32 can hold, got one beyond its range'],
    ["1,2,0x10\n", "CSV: row 0, column 2: expected a number for FP32, got another text"],
    [`1,2,${"0".repeat(1_000_000)}x\n`, "CSV: row 0, column 2: expected a number for FP32, got another text"],
    [Buffer.from([0x31, 0x2c, 0xff]), "body: expected CSV in UTF-8, got other bytes"],
  ])("%j", (body, message) => {
    expect(() => inputsOf(BOTH, body, servableOf(MATRIX), CSV)).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message }),
    );
  });

  test("integers are not to be missing, nor fractions", () => {
    expect(() => inputsOf(BOTH, "id,text,pay\n,a,1\n", servableOf(COLUMNS), CSV)).toThrow(
      "CSV: row 0, column 0: expected a number for INT64, got none",
    );
    expect(() => inputsOf(BOTH, "id,text,pay\n1.5,a,1\n", servableOf(COLUMNS), CSV)).toThrow(/got a fraction/);
  });

  test.each([
    ["text/plain", /^Content-Type: expected application\/json or text\/csv, got another$/],
    ["text/csv; charset=latin1", /^Content-Type: expected charset utf-8, got another$/],
    ["application/x-npy", /^Content-Type: expected application\/json or text\/csv, got another$/],
  ])("%s", (type, message) => {
    expect(() => inputsOf(BOTH, "1,2,3", servableOf(MATRIX), { "content-type": type })).toThrow(
      expect.objectContaining({ code: "UnsupportedMediaType", message: expect.stringMatching(message) as string }),
    );
  });

  test("the binary form, where only MLflow is served", () => {
    const type = "application/vnd.sagemaker-triton.binary+json;json-header-size=2";
    expect(() => inputsOf(MLFLOW, "{}", servableOf(MATRIX), { "content-type": type })).toThrow(
      expect.objectContaining({ code: "UnsupportedMediaType" }),
    );
  });
});

test("rows of any floats are read as they were written", () => {
  const cell = float({ noNaN: true, noDefaultInfinity: true });
  const text = (value: number): string => (Object.is(value, -0) ? "-0" : String(value));
  assert(
    property(array(tuple(cell, cell, cell), { minLength: 1, maxLength: 30 }), (rows) => {
      const body = rows.map((row) => `${row.map(text).join(",")}\n`).join("");
      expect(inputsOf(SAGEMAKER, body, servableOf(MATRIX), CSV)).toEqual(matrix(...rows.flat()));
    }),
  );
});

describe("answers", () => {
  const outputs: Tensor[] = [
    { name: "label", datatype: "BYTES", shape: [2], data: ['a,"b"', ""] },
    { name: "score", datatype: "FP32", shape: [2, 2], data: Float32Array.of(0.5, Number.NaN, 1, -Infinity) },
  ];
  const rows = '"a,""b""",0.5,NaN\n"",1,-Infinity\n';

  test.each([
    ["text/csv", true],
    ["Text/CSV; charset=utf-8", true],
    ["application/json;q=0.5, text/csv", true],
    ["text/*, */*;q=0.1", true],
    ["text/csv;q=0.5, application/json", false],
    ["*/*", false],
    ["text/csv, */*", false],
    ["text/csv;q=0", false],
    ["application/json", false],
    ["nonsense", false],
  ])("by Accept: %s", (accept, isCsv) => {
    const request = { body: "7,a,2\n8,b,3\n", headers: { ...CSV, accept } };
    const answer = answerTo(SAGEMAKER, request, servableOf(COLUMNS), outputs);
    expect(textOf(answer) === rows).toBe(isCsv);
    expect(answer.contentType).toBe(isCsv ? "text/csv; charset=utf-8" : undefined);
  });

  test("of MLflow are JSON", () => {
    const request = { body: "7,a,2\n", headers: { ...CSV, accept: "text/csv" } };
    expect(textOf(answerTo(MLFLOW, request, servableOf(COLUMNS), outputs))).toMatch(/^{"predictions":\[{"label":/);
  });

  test("without columns are lines without cells", () => {
    const empty: Tensor = { name: "y", datatype: "FP32", shape: [2, 0], data: new Float32Array() };
    const request = { body: "1,2,3\n", headers: { ...CSV, accept: "text/csv" } };
    expect(textOf(answerTo(SAGEMAKER, request, servableOf(MATRIX), [empty]))).toBe("\n\n");
  });
});

test("what is written by the rules of CSV is read as it was", () => {
  const cell = (text: string): string => `"${text.replaceAll('"', '""')}"`;
  const row = record({
    id: bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    text: anyText,
    pay: float({ noNaN: true, noDefaultInfinity: true }),
  });
  assert(
    property(array(row, { minLength: 1, maxLength: 10 }), (rows) => {
      const lines = rows.map(({ id, text, pay }) => `${id},${cell(text)},${Object.is(pay, -0) ? "-0" : pay}\r\n`);
      expect(inputsOf(BOTH, `id,text,pay\r\n${lines.join("")}`, servableOf(COLUMNS), CSV)).toEqual({
        id: { shape: [rows.length], data: BigInt64Array.from(rows, ({ id }) => id) },
        text: { shape: [rows.length, 1], data: rows.map(({ text }) => text) },
        pay: { shape: [rows.length, 1], data: Float64Array.from(rows, ({ pay }) => pay) },
      });
    }),
  );
});
