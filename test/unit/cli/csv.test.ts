import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CsvError, csvRows } from "../../../cli/csv.ts";

async function read(...pieces: string[]): Promise<string[][]> {
  const rows: string[][] = [];
  for await (const row of csvRows(pieces)) rows.push(row);
  return rows;
}

function written(rows: readonly (readonly string[])[]): string {
  return rows.map((row) => `${row.map((field) => `"${field.replaceAll('"', '""')}"`).join(",")}\r\n`).join("");
}

test("what was written is read again, wherever the text is cut", async () => {
  const field = fc.string({ unit: fc.constantFrom("a", '"', ",", "\n", "é", "\uD83D", " ") });
  const rows = fc.array(fc.array(field, { minLength: 1, maxLength: 4 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(rows, fc.nat(), async (values, at) => {
      const text = written(values);
      const cut = text.length === 0 ? 0 : at % text.length;
      expect(await read(text.slice(0, cut), text.slice(cut))).toEqual(values);
    }),
  );
});

test.each([
  [
    "plain fields",
    "a,b\n1,\n",
    [
      ["a", "b"],
      ["1", ""],
    ],
  ],
  [
    "a byte order mark, empty lines, and no line end at the end",
    "\uFEFFa,b\n\n1,2",
    [
      ["a", "b"],
      ["1", "2"],
    ],
  ],
  ["quotes within a plain field", 'a"b,c\n', [['a"b', "c"]]],
  ["an empty field in quotes as a row", '""\n', [[""]]],
  ["nothing", "", []],
])("reads %s", async (_what, text, rows) => {
  expect(await read(text)).toEqual(rows);
});

test.each([
  ["quotes that are not closed", 'a\n"b,c', "ends within quotes that were opened in row 2"],
  ["text after a closing quote", '"a"b', "has text after a closing quote, in row 1"],
])("refuses %s", async (_what, text, message) => {
  await expect(read(text)).rejects.toThrow(new CsvError(message));
});
