import { execFileSync } from "node:child_process";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { curlLine, LONGEST_INLINE } from "../../../../runtime/ui/page/curl-line.ts";

test("a shell reads the command as it was meant, whatever is in the request", () => {
  const text = fc.string({ unit: "binary", maxLength: 50 }).filter((value) => !value.includes("\0"));
  fc.assert(
    fc.property(text, (body) => {
      const line = curlLine("http://127.0.0.1/v2/models/m/infer", body);
      const script = `curl() { printf '%s' "$6"; }\n${line}`;
      expect(execFileSync("/bin/sh", ["-c", script], { encoding: "utf8" })).toBe(
        Buffer.from(body, "utf8").toString("utf8"),
      );
    }),
    { numRuns: 30 },
  );
});

test("a long request comes from a file", () => {
  expect(curlLine("http://a", "x".repeat(LONGEST_INLINE + 1))).toContain("-d '@request.json'");
});
