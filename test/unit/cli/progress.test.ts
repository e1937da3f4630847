import { describe, expect, test } from "vitest";
import { RowProgress, TransferProgress, transferText } from "../../../cli/progress.ts";
import { printable, table } from "../../../cli/table.ts";

const MB = 1_000_000;

/** A stream that keeps what is written, and a clock that is set. */
function transferTo(isTTY: boolean): {
  readonly written: string[];
  readonly at: (ms: number, done: number) => void;
  readonly end: () => void;
} {
  const written: string[] = [];
  let nowMs = 0;
  const out = { isTTY, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const progress = new TransferProgress(out, "uploading", () => nowMs);
  return {
    written,
    at: (ms, done) => {
      nowMs = ms;
      progress.show(done, 100 * MB);
    },
    end: () => progress.end(),
  };
}

describe("a transfer", () => {
  test.each([
    [0, 100 * MB, 0, "uploading 0 B of 100.0 MB (0 %)"],
    [25 * MB, 100 * MB, 5_000, "uploading 25.0 MB of 100.0 MB (25 %), 5.0 MB/s, 15 s left"],
    [100 * MB, 100 * MB, 20_000, "uploading 100.0 MB of 100.0 MB (100 %), 5.0 MB/s, 0 s left"],
    [0, 0, 10, "uploading 0 B of 0 B (100 %)"],
    [3 * MB, undefined, 1_000, "uploading 3.0 MB, 3.0 MB/s"],
  ])("of %s of %s bytes after %s ms is told as %j", (done, total, elapsedMs, text) => {
    expect(transferText("uploading", done, total, elapsedMs)).toBe(text);
  });

  test("is one line that changes on a terminal, and is gone at the end", () => {
    const { written, at, end } = transferTo(true);
    at(50, MB);
    at(100, 2 * MB);
    at(150, 3 * MB);
    at(200, 4 * MB);
    end();
    expect(written).toHaveLength(3);
    expect(written[0]?.startsWith("\r\u001b[Kuploading 2.0 MB of")).toBe(true);
    expect(written.join("")).not.toContain("\n");
    expect(written.at(-1)).toBe("\r\u001b[K");
  });

  test("is a line every ten seconds elsewhere, and nothing for a short one", () => {
    const { written, at, end } = transferTo(false);
    for (let ms = 1_000; ms <= 25_000; ms += 1_000) at(ms, ms * 1_000);
    end();
    expect(written.map((line) => line.slice(0, 17))).toEqual(["uploading 10.0 MB", "uploading 20.0 MB"]);
    expect(written.every((line) => line.endsWith("\n"))).toBe(true);
    const short = transferTo(true);
    short.at(99, MB);
    short.end();
    expect(short.written).toEqual([]);
  });
});

test("rows are told with how many there are in a second, and nothing of work that is soon over", () => {
  const written: string[] = [];
  let nowMs = 0;
  const out = { isTTY: false, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const progress = new RowProgress(out, "profiling", () => nowMs);
  for (const [ms, rows] of [
    [9_999, 100],
    [10_000, 25_000],
    [11_000, 26_000],
  ] as const) {
    nowMs = ms;
    progress.show(rows);
  }
  progress[Symbol.dispose]();
  expect(written).toEqual(["profiling: 25,000 rows, 2,500 a second\n"]);
});

test("a table has columns of equal width", () => {
  expect(
    table([
      ["A", "BB"],
      ["long", "b"],
    ]),
  ).toEqual(["A     BB", "long  b"]);
});

test("what a file says of itself cannot steer the terminal", () => {
  expect(printable("a\u001b[2J\u202eb\nc")).toBe("a [2J b c");
  expect(printable("x".repeat(300), 10)).toBe(`${"x".repeat(9)}…`);
});
