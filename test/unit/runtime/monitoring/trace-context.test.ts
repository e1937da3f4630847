import { assert, property, string } from "fast-check";
import { expect, test } from "vitest";
import { parseTraceparent } from "../../../../runtime/monitoring/tracing/trace-context.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

test.each([
  [`00-${TRACE}-${SPAN}-01`, true],
  [`00-${TRACE}-${SPAN}-00`, false],
  // Other flags are not ours.
  [`00-${TRACE}-${SPAN}-03`, true],
  [`00-${TRACE}-${SPAN}-fe`, false],
  [` 00-${TRACE}-${SPAN}-01 `, true],
  // A version to come may have more behind.
  [`cc-${TRACE}-${SPAN}-01-what-else`, true],
  [`cc-${TRACE}-${SPAN}-01`, true],
])("%s is part of a trace", (header, isSampled) => {
  expect(parseTraceparent(header)).toEqual({ traceId: TRACE, spanId: SPAN, isSampled });
});

test.each([
  undefined,
  "",
  "00",
  `00-${TRACE}-${SPAN}`,
  `00-${TRACE}-${SPAN}-1`,
  `00-${TRACE}-${SPAN}-01-more`,
  `cc-${TRACE}-${SPAN}-01more`,
  `ff-${TRACE}-${SPAN}-01`,
  `0-${TRACE}-${SPAN}-01`,
  `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  `00-${"0".repeat(32)}-${SPAN}-01`,
  `00-${TRACE}-${"0".repeat(16)}-01`,
  `00-${TRACE}a-${SPAN}-01`,
  `00-${TRACE}-${SPAN}-0g`,
])("%s is not", (header) => {
  expect(parseTraceparent(header)).toBeUndefined();
});

test("whatever a client writes is read or is not, in a moment", () => {
  const isTruthful = (text: string): boolean => {
    const read = parseTraceparent(text);
    return read === undefined || text.includes(`${read.traceId}-${read.spanId}`);
  };
  expect(() => assert(property(string({ unit: "binary", maxLength: 200 }), isTruthful))).not.toThrow();
});
