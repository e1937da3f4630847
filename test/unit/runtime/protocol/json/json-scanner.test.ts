import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  JsonScanner,
  MAX_DEPTH,
  parseJson,
  type JsonValue,
} from "../../../../../runtime/protocol/json/json-scanner.ts";
import { ServingError } from "../../../../../runtime/errors.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

/** What JSON.parse makes of the bytes; undefined where it refuses, or where we are stricter on purpose. */
function reference(bytes: Uint8Array): { readonly value: unknown } | undefined {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    JSON.parse(text);
  } catch {
    return undefined;
  }
  let isStricter = false;
  const value: unknown = JSON.parse(text, function (this: unknown, _key, member: unknown) {
    if (typeof member === "number" && !Number.isFinite(member)) isStricter = true;
    return member;
  });
  return isStricter || hasDuplicateKeys(text) ? undefined : { value };
}

/** Counts the keys in the text and in what JSON.parse kept of it. */
function hasDuplicateKeys(text: string): boolean {
  let written = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/gs)) if (token.endsWith(":")) written++;
  let kept = 0;
  const count = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    if (!Array.isArray(value)) kept += Object.keys(value).length;
    for (const member of Object.values(value)) count(member);
  };
  count(JSON.parse(text));
  return written !== kept;
}

function ours(bytes: Uint8Array): { readonly value: JsonValue } | undefined {
  try {
    return { value: parseJson(bytes) };
  } catch (error) {
    if (error instanceof ServingError && error.code === "InvalidArgument") return undefined;
    throw error;
  }
}

/** Compares structures whose objects have different prototypes. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value === "object" && value !== null) {
    return Object.entries(value).map(([key, member]) => [key, canonical(member)]);
  }
  return Object.is(value, -0) ? "-0" : value;
}

/** Whether passing over the body finds it as good as reading it does; numbers may be larger. */
function isSkipped(bytes: Uint8Array): boolean {
  try {
    const scanner = new JsonScanner(bytes);
    scanner.skipValue("body");
    scanner.expectEnd();
    return true;
  } catch {
    return false;
  }
}

/** What we and the reference find, in one form; `bytes` are there to be shown when they differ. */
function findings(bytes: Uint8Array): { readonly ours: unknown; readonly reference: unknown } {
  const text = JSON.stringify(Buffer.from(bytes).toString("latin1"));
  const expected = reference(bytes);
  const got = ours(bytes);
  return {
    ours: { text, value: canonical(got), isSkipped: got === undefined || isSkipped(bytes) },
    reference: { text, value: canonical(expected), isSkipped: true },
  };
}

const json = fc.json({ maxDepth: 8 });

describe("the scanner accepts what JSON.parse accepts", () => {
  test("any JSON, written compactly or with space", () => {
    fc.assert(
      fc.property(json, fc.constantFrom(0, 1, "\t", " \r\n"), (text, space) => {
        const found = findings(Buffer.from(JSON.stringify(JSON.parse(text), null, space)));
        expect(found.ours).toEqual(found.reference);
      }),
      { numRuns: 500 },
    );
  });

  test("bytes of JSON that were changed, removed or inserted", () => {
    const byte = fc.oneof(
      fc.constantFrom(...Buffer.from('{}[]",:\\.-+eEu0123456789tfn \n\t\u0000')),
      fc.integer({ min: 0, max: 255 }),
    );
    const mutation = fc.record({
      at: fc.nat(),
      kind: fc.constantFrom("change", "insert", "remove", "truncate"),
      byte,
    });
    fc.assert(
      fc.property(json, fc.array(mutation, { minLength: 1, maxLength: 4 }), (text, mutations) => {
        const bytes = [...Buffer.from(text)];
        for (const { at, kind, byte: value } of mutations) {
          const index = bytes.length === 0 ? 0 : at % bytes.length;
          if (kind === "change") bytes[index] = value;
          else if (kind === "insert") bytes.splice(index, 0, value);
          else if (kind === "remove") bytes.splice(index, 1);
          else bytes.length = index;
        }
        const found = findings(Uint8Array.from(bytes));
        expect(found.ours).toEqual(found.reference);
      }),
      { numRuns: runCount(5_000) },
    );
  });

  test("texts of the letters of numbers", () => {
    const letters = fc.string({ unit: fc.constantFrom(...Array.from("0123456789-+.eE")), minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(letters, (text) => {
        const found = findings(Buffer.from(text));
        expect(found.ours).toEqual(found.reference);
      }),
      { numRuns: runCount(5_000) },
    );
  });

  test("strings with every escape and every kind of character", () => {
    const piece = fc.oneof(
      fc.constantFrom(
        "\\n",
        "\\u0041",
        "\\ud83d\\ude00",
        "\\ud800",
        '\\"',
        "\\\\",
        "\\/",
        "\\x",
        "\\u00g0",
        "\n",
        "é",
        "😀",
      ),
      fc.string(),
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const found = findings(Buffer.from(`"${pieces.join("")}"`));
        expect(found.ours).toEqual(found.reference);
      }),
      { numRuns: runCount(1_000) },
    );
  });
});

describe("the scanner is stricter than JSON.parse", () => {
  test.each([
    ["invalid UTF-8", Buffer.from([0x22, 0xff, 0x22]), /expected JSON in UTF-8/],
    ["UTF-8 longer than need be", Buffer.from([0x22, 0xc0, 0x80, 0x22]), /expected JSON in UTF-8/],
    ["surrogates in UTF-8", Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), /expected JSON in UTF-8/],
    ["a byte order mark", Buffer.from("\ufeff{}"), /expected a JSON value, got something that is not JSON/],
    ["a key twice", Buffer.from('{"a":1,"a":2}'), /expected each key once/],
    ["a key twice, written differently", Buffer.from('{"a":1,"\\u0061":2}'), /expected each key once/],
    ["numbers beyond doubles", Buffer.from("1e400"), /within the range of FP64/],
    ["NaN", Buffer.from("NaN"), /got NaN or Infinity, which JSON does not have/],
    ["-Infinity", Buffer.from("[-Infinity]"), /got NaN or Infinity, which JSON does not have/],
  ])("refuses %s", (_name, bytes, message) => {
    expect(() => parseJson(bytes)).toThrow(message);
  });

  test("accepts 64 levels and refuses 65, and a million", () => {
    expect(() => parseJson(Buffer.from("[".repeat(MAX_DEPTH) + "]".repeat(MAX_DEPTH)))).not.toThrow();
    for (const depth of [MAX_DEPTH + 1, 1_000_000]) {
      expect(() => parseJson(Buffer.from("[".repeat(depth)))).toThrow(/at most 64 levels/);
      expect(() => parseJson(Buffer.from('{"a":'.repeat(depth)))).toThrow(/at most 64 levels/);
    }
  });
});

test("the names of prototypes are keys as any other", () => {
  const value = parseJson(Buffer.from('{"__proto__":{"polluted":true},"constructor":1,"toString":2}'));
  expect(Object.keys(value as object)).toEqual(["__proto__", "constructor", "toString"]);
  expect(Object.getPrototypeOf(value)).toBeNull();
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

test("messages never repeat the body", () => {
  fc.assert(
    fc.property(fc.constantFrom("{", "[", '{"a"', '{"a":', "[1,"), (prefix) => {
      expect(() => parseJson(Buffer.from(`${prefix}hunter2`))).not.toThrow(/hunter2/);
      expect(() => parseJson(Buffer.from(`${prefix}hunter2`))).toThrow(ServingError);
    }),
  );
});
