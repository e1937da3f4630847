import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { child, parseXml } from "../../../../runtime/storage/xml-elements.ts";

test("elements, text, entities and CDATA are read", () => {
  const root = parseXml(
    `\ufeff<?xml version="1.0"?><!-- a > comment --><a x="1"><b>1 &lt; 2 &amp; &#x1F600;&#233;</b><c/><b><![CDATA[<raw>&amp;]]></b><d y='/' /></a>`,
  );
  expect(root?.children.map(({ name, text }) => [name, text])).toEqual([
    ["b", "1 < 2 & \u{1F600}é"],
    ["c", ""],
    ["b", "<raw>&amp;"],
    ["d", ""],
  ]);
  expect(root === undefined ? undefined : child(root, "b")?.text).toBe("1 < 2 & \u{1F600}é");
});

describe("refused is", () => {
  test.each([
    ["nothing", ""],
    ["text alone", "text"],
    ["a document type", "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"],
    ["an entity that is not XML's own", "<a>&nbsp;</a>"],
    ["a lonely ampersand", "<a>a & b</a>"],
    ["a character that is none", "<a>&#x110000;</a>"],
    ["what is not closed", "<a><b></a>"],
    ["what is not open", "<a></a></b>"],
    ["two roots", "<a/><b/>"],
    ["a cut", "<a><b>text</b"],
    ["depth", "<a>".repeat(100) + "</a>".repeat(100)],
    ["HTML", "<html><br></html>"],
  ])("%s", (_, text) => {
    expect(parseXml(text)).toBeUndefined();
  });
});

test("any text comes back out of the XML in which it was written", () => {
  const escape = (text: string): string =>
    text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string(), (first, second) => {
      const root = parseXml(`<a><b>${escape(first)}</b><c>${escape(second)}</c></a>`);
      expect(root?.children.map(({ text }) => text)).toEqual([first, second]);
    }),
  );
});

test("any text is read or refused, in time", () => {
  const piece = fc.constantFrom(
    "<",
    ">",
    "</",
    "/>",
    "<a",
    "<a>",
    "</a>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "&",
    ";",
    "x",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string())), (pieces) => {
      const root = parseXml(pieces.join(""));
      expect(root === undefined || root.name !== "").toBe(true);
    }),
  );
  const startedAt = performance.now();
  for (const bomb of [
    "<a ".repeat(50_000),
    "<".repeat(200_000),
    `<a ${"x ".repeat(100_000)}`,
    "<!--".repeat(50_000),
    "<a>&".repeat(50_000),
  ])
    expect(parseXml(bomb)).toBeUndefined();
  expect(performance.now() - startedAt).toBeLessThan(10_000);
});
