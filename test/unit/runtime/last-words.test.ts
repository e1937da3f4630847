import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseTerminationMessage } from "../../../common/admin-api.ts";
import { leaveLastWords } from "../../../runtime/last-words.ts";

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "lockstep-words-"));
  onTestFinished(() => rmSync(made, { recursive: true }));
  return made;
}

test("last words are what the operator reads", () => {
  const file = join(folder(), "log");
  writeFileSync(file, "");
  leaveLastWords(file, { reason: "ConfigInvalid", message: "models: expected an array" });
  expect(parseTerminationMessage(readFileSync(file, "utf8"))).toEqual({
    reason: "ConfigInvalid",
    message: "models: expected an array",
  });
});

test("they fit into what the kubelet keeps, and are still JSON", () => {
  const file = join(folder(), "log");
  writeFileSync(file, "");
  for (const letter of ["x", "\u20ac", "\u0001"]) {
    leaveLastWords(file, { reason: "InternalError", message: letter.repeat(10_000) });
    expect(readFileSync(file).length).toBeLessThanOrEqual(4096);
    expect(parseTerminationMessage(readFileSync(file, "utf8"))?.message).toHaveLength(600);
  }
});

test("without the file there are none", () => {
  const file = join(folder(), "log");
  leaveLastWords(file, { reason: "InternalError", message: "x" });
  expect(existsSync(file)).toBe(false);
});
