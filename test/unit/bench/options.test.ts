import { describe, expect, test } from "vitest";
import { readOptions, type BenchOptions } from "../../../bench/options.ts";

function optionsOf(...args: string[]): BenchOptions {
  const read = readOptions(args);
  if (read.kind !== "run") throw new Error(`expected options, got ${JSON.stringify(read)}`);
  return read.options;
}

test("the short form has all that the goals need, in little time", () => {
  const { cases, peers, rounds, measureMs, bundles } = optionsOf();
  expect(cases).toContain("iris-json");
  expect(cases).toContain("overload");
  expect(cases).not.toContain("silero-binary");
  expect(peers).toContain("mlserver");
  expect(peers).not.toContain("kserve-quiet");
  expect([rounds, measureMs, bundles]).toEqual([2, 1_000, true]);
});

test("the full form has everything", () => {
  const { cases, peers, rounds } = optionsOf("--full", "--peers", "all");
  expect(cases).toContain("silero-binary");
  expect(peers).toContain("kserve-quiet");
  expect(rounds).toBe(5);
});

test("cases and servers by name; Lockstep is always there", () => {
  const { cases, peers } = optionsOf("--case", "mlp-binary,start", "--case", "decode", "--peers", "triton");
  expect([...cases]).toEqual(["mlp-binary", "start", "decode"]);
  expect([...peers]).toEqual(["lockstep", "triton"]);
  expect([...optionsOf("--peers", "none").peers]).toEqual(["lockstep"]);
});

test("how often and how long", () => {
  const { rounds, measureMs } = optionsOf("--rounds", "7", "--seconds", "0.5");
  expect([rounds, measureMs]).toEqual([7, 500]);
});

describe("what is wrong is told with what would be right", () => {
  test.each([
    [["--case", "mnist"], /--case: expected one of iris-json, .*, got mnist/],
    [["--peers", "nginx"], /--peers: expected all, none or of lockstep, .*, got nginx/],
    [["--rounds", "0"], /--rounds: expected a number above 0/],
    [["--seconds", "1e9"], /--seconds: expected a number above 0 and at most 30/],
    [["--quick"], /--quick/],
  ])("%j", (args, says) => {
    expect(readOptions(args)).toEqual({ kind: "wrong", message: expect.stringMatching(says) as unknown });
  });
});

test("help", () => {
  expect(readOptions(["--help"])).toEqual({ kind: "help" });
});
