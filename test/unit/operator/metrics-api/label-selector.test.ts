import { describe, expect, test } from "vitest";
import { matchesLabels, parseLabelSelector } from "../../../../operator/metrics-api/label-selector.ts";

/** Labels of the pods on trial. */
const LABELS = { app: "digits", tier: "gpu", empty: "", size: "10", "example.com/team": "vision", in: "x" };

function matches(selector: string): boolean {
  const parsed = parseLabelSelector(selector);
  if (parsed.kind === "error") throw new Error(parsed.message);
  return matchesLabels(parsed.requirements, LABELS);
}

describe("a selector", () => {
  test.each<[string, boolean]>([
    ["", true],
    ["app=digits", true],
    ["app==digits", true],
    ["app = digits , tier=gpu", true],
    ["app=digits,tier=cpu", false],
    ["app=iris", false],
    ["app!=iris", true],
    ["app!=digits", false],
    // What is absent is not equal.
    ["zone!=a", true],
    ["zone=a", false],
    ["zone=", false],
    ["empty=", true],
    ["empty", true],
    ["!zone", true],
    ["! app", false],
    ["app in (iris,digits)", true],
    ["app in (iris)", false],
    ["app notin (iris)", true],
    ["zone notin (a,b)", true],
    ["empty in (,)", true],
    ["empty in (a,,b)", true],
    ["app in(digits)", true],
    ["app in ()", false],
    ["app notin ()", true],
    ["empty in ()", true],
    ["empty notin ()", false],
    ["size>9", true],
    ["size>10", false],
    ["size<11", true],
    ["size<10", false],
    ["tier>1", false],
    ["zone<5", false],
    ["example.com/team=vision", true],
    // Words of the grammar are labels, too.
    ["in", true],
    ["in in (x)", true],
    ["notin", false],
    ["app,tier,!zone", true],
  ])("%j matches: %s", (selector, expected) => {
    expect(matches(selector)).toBe(expected);
  });
});

describe("no selector is", () => {
  test.each([
    [",", /a name or a value, got ","/],
    ["a,", /got the end/],
    ["a,,b", /got ","/],
    ["=a", /got "="/],
    ["a b", /expected one of = == != in notin > <, got "b"/],
    ["a=b c", /expected a comma or the end, got "c"/],
    ["a in", /expected "\(", got the end/],
    ["a in b", /expected "\(", got "b"/],
    ["a in (", /got the end/],
    ["a in (b", /expected "," or "\)", got the end/],
    ["a in (b c)", /got "c"/],
    ["a in (,,)", /got "\)"/],
    ["!a=b", /got "="/],
    ["!", /got the end/],
    ["a>", /whole number, got the end/],
    ["a>b", /whole number/],
    ["a>1.5", /whole number/],
    ["a>9223372036854775808", /whole number/],
    ["-a=b", /"-a" is not a valid label key/],
    ["a/b/c=d", /not a valid label key/],
    ["/a", /not a valid label key/],
    ["A.com/a", /not a valid label key/],
    ["a=-b", /"-b" is not a valid label value/],
    ["a=b/c", /not a valid label value/],
    [`a=${"b".repeat(64)}`, /not a valid label value/],
    ["a=ü", /not a valid label value/],
    ["a in (b))", /got "\)"/],
  ])("%j", (selector, message) => {
    expect(parseLabelSelector(selector)).toEqual({ kind: "error", message: expect.stringMatching(message) });
  });
});

test("a label that objects inherit is none of a pod's", () => {
  const parsed = parseLabelSelector("constructor");
  expect(parsed.kind === "selector" && matchesLabels(parsed.requirements, {})).toBe(false);
});
