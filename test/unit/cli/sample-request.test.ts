import { describe, expect, test } from "vitest";
import { drawImage } from "../../../cli/drawing.ts";
import { bytesText, progressOf } from "../../../cli/progress.ts";
import { sampleInputs } from "../../../cli/sample-request.ts";
import { syntheticJsonInputs } from "../../../common/sample-tensors.ts";

const INPUT = { name: "input", datatype: "FP32", shape: [-1, 2] };
const samples = (inputs: unknown): string => JSON.stringify({ "2": { request: { inputs } } });
const tensor = { name: "input", datatype: "FP32", shape: [2, 2], data: [Math.fround(5.1), 0, 1, 2] };

describe("a sample", () => {
  test("is cut down to one row, in short numbers", () => {
    expect(sampleInputs(samples([tensor]), 2, [INPUT])).toEqual([
      { name: "input", datatype: "FP32", shape: [1, 2], data: [5.1, 0] },
    ]);
  });

  test("stays whole when its inputs have different numbers of rows", () => {
    const other = { name: "state", datatype: "FP32", shape: [1], data: [7] };
    const inputs = [INPUT, { name: "state", datatype: "FP32", shape: [1] }];
    expect(sampleInputs(samples([tensor, other]), 2, inputs)?.map(({ shape }) => shape)).toEqual([[2, 2], [1]]);
  });

  test.each([
    ["of another version", samples([tensor]), 1],
    ["of another signature", samples([{ ...tensor, name: "image" }]), 2],
    ["that is not JSON", "{", 2],
    ["that is something else", "[1]", 2],
  ])("%s is not used", (_, text, version) => {
    expect(sampleInputs(text, version, [INPUT])).toBeUndefined();
  });
});

test("a synthetic request has an element for each place", () => {
  expect(
    syntheticJsonInputs([
      INPUT,
      { name: "text", datatype: "BYTES", shape: [-1, 1] },
      { name: "flag", datatype: "BOOL", shape: [] },
    ]),
  ).toEqual([
    { name: "input", datatype: "FP32", shape: [1, 2], data: [0, 0] },
    { name: "text", datatype: "BYTES", shape: [1, 1], data: ["some text"] },
    { name: "flag", datatype: "BOOL", shape: [], data: [false] },
  ]);
});

describe("a picture", () => {
  test("has a line for each row of pixels, darker for more", () => {
    const pixels = Array.from({ length: 64 }, (_, index) => (index < 8 ? 16 : index === 63 ? 8 : 0));
    const picture = drawImage(pixels);
    expect(picture).toHaveLength(8);
    expect(picture?.[0]).toBe("@".repeat(16));
    expect(picture?.slice(1, 7)).toEqual(Array.from({ length: 6 }, () => ""));
    expect(picture?.[7]).toMatch(/^ {14}([=+])\1$/);
  });

  test.each([
    ["too few numbers", [1, 2, 3]],
    ["negative numbers", Array.from({ length: 64 }, () => -1)],
    ["texts", Array.from({ length: 64 }, () => "a")],
    ["nothing but zeros", Array.from({ length: 64 }, () => 0)],
  ])("cannot be made of %s", (_, pixels) => {
    expect(drawImage(pixels)).toBeUndefined();
  });
});

describe("progress", () => {
  const fetching = {
    phase: "Fetching" as const,
    models: [
      { name: "digits", versions: [], loading: { version: 2, bytesDone: 1_500_000, bytesTotal: 3_000_000 } },
      { name: "iris", versions: [], loading: { version: 1, bytesDone: 12 } },
    ],
  };

  test("in words, with what has arrived of what is fetched", () => {
    expect(progressOf(fetching, true)).toBe("fetching digits version 2: 1.5 MB of 3.0 MB, iris version 1: 12 B …");
    expect(progressOf(fetching, false)).toBe("fetching …");
    expect(progressOf({ phase: "Loading", models: [] }, true)).toBe("loading …");
    expect(progressOf({ phase: "Ready", models: [] }, true)).toBe("");
  });

  test.each([
    [0, "0 B"],
    [999, "999 B"],
    [1_000, "1.0 kB"],
    [21_020, "21.0 kB"],
    [2_500_000_000, "2.5 GB"],
  ])("%i bytes are %s", (bytes, text) => {
    expect(bytesText(bytes)).toBe(text);
  });
});
