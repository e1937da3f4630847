import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readLines } from "../../../../operator/kube/lines.ts";

async function* chunksOf(...chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(chunk);
}

async function linesOf(chunks: readonly Uint8Array[], maxLength?: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of readLines(chunksOf(...chunks), maxLength)) lines.push(line);
  return lines;
}

describe("lines of a stream", () => {
  test("are the same however the bytes are cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "grapheme" }).filter((line) => line !== "" && !line.includes("\n"))),
        fc.array(fc.nat({ max: 200 })),
        async (lines, cuts) => {
          const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
          const points = [...new Set([0, ...cuts.filter((cut) => cut < bytes.length), bytes.length])].sort(
            (a, b) => a - b,
          );
          const chunks = points.slice(1).map((end, index) => bytes.subarray(points[index], end));
          expect(await linesOf(chunks)).toEqual(lines);
        },
      ),
    );
  });

  test("leave out empty ones, and need no end on the last", async () => {
    expect(await linesOf([Buffer.from("a\n\n\nb")])).toEqual(["a", "b"]);
  });

  test("must end some time", async () => {
    await expect(linesOf([Buffer.from("abc"), Buffer.from("def")], 5)).rejects.toThrow(RangeError);
    expect(await linesOf([Buffer.from("abcde\nabcde\n")], 5)).toEqual(["abcde", "abcde"]);
  });
});
