import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineSplitter, type LineRoom } from "../../../../../runtime/protocol/stream/line-splitter.ts";

const ENDLESS: LineRoom = { take: () => undefined, giveBack: () => undefined };

function split(pieces: readonly Buffer[], maxLineBytes = 1_000, room = ENDLESS): string[] {
  const splitter = new LineSplitter(maxLineBytes, room);
  const lines = pieces.flatMap((piece) => [...splitter.push(piece)].map(String));
  const last = splitter.finish();
  return last === undefined ? lines : [...lines, last.toString()];
}

describe("lines", () => {
  test("are the same, wherever the body is cut", () => {
    const line = fc.stringMatching(/^[a-zä" ]{0,6}$/);
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat(60)), fc.constantFrom("\n", "\r\n"), (lines, cuts, end) => {
        const body = Buffer.from(lines.map((text) => text + end).join(""));
        const bounds = [0, ...cuts.filter((cut) => cut < body.length).toSorted((a, b) => a - b), body.length];
        const pieces = bounds.slice(1).map((bound, index) => body.subarray(bounds[index], bound));
        expect(split(pieces)).toEqual(lines.filter((text) => text.trim() !== ""));
      }),
    );
  });

  test("need no end behind the last one", () => {
    expect(split([Buffer.from("a\nb")])).toEqual(["a", "b"]);
    expect(split([Buffer.from("a\n \t\r\n")])).toEqual(["a"]);
    expect(split([])).toEqual([]);
  });

  test.each([[["x".repeat(11)]], [["x".repeat(6), "x".repeat(5)]], [["x".repeat(6), `${"x".repeat(5)}\n`]]])(
    "that are too long are refused, before they are complete: %j",
    (pieces) => {
      expect(() =>
        split(
          pieces.map((piece) => Buffer.from(piece)),
          10,
        ),
      ).toThrow(expect.objectContaining({ code: "PayloadTooLarge" }));
    },
  );

  test("take room as long as they are not complete, about as much as they have bytes", () => {
    let takenBytes = 0;
    let mostBytes = 0;
    const room: LineRoom = {
      take: (sizeBytes) => void (mostBytes = Math.max(mostBytes, (takenBytes += sizeBytes))),
      giveBack: (sizeBytes) => void (takenBytes -= sizeBytes),
    };
    const bytes = Array.from({ length: 5_000 }, () => Buffer.from("x"));
    expect(split([...bytes, Buffer.from("\ny")], 10_000, room)).toEqual(["x".repeat(5_000), "y"]);
    expect(mostBytes).toBeGreaterThanOrEqual(5_000);
    expect(mostBytes).toBeLessThanOrEqual(10_000);
    expect(takenBytes).toBe(0);
  });

  test("of the greatest length are taken", () => {
    expect(split([Buffer.from("xxxxx"), Buffer.from("xxxxx\n")], 10)).toEqual(["x".repeat(10)]);
  });
});
