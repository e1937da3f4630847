import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dataOf, penned, pictureLayout, pixelsOf } from "../../../../runtime/ui/page/picture.ts";

describe("a picture is seen in", () => {
  test.each([
    ["FP32", [1, 64], { width: 8, height: 8, channels: 1, isChannelsLast: false }],
    ["FP32", [1, 784], { width: 28, height: 28, channels: 1, isChannelsLast: false }],
    ["FP32", [1, 20, 28], { width: 28, height: 20, channels: 1, isChannelsLast: false }],
    ["FP32", [1, 1, 28, 28], { width: 28, height: 28, channels: 1, isChannelsLast: false }],
    ["UINT8", [1, 3, 32, 48], { width: 48, height: 32, channels: 3, isChannelsLast: false }],
    ["UINT8", [1, 32, 48, 3], { width: 48, height: 32, channels: 3, isChannelsLast: true }],
  ])("%s %j", (datatype, shape, layout) => {
    expect(pictureLayout(datatype, shape)).toEqual(layout);
  });

  test.each([
    ["rows of columns", "FP32", [1, 4]],
    ["a batch", "FP32", [2, 64]],
    ["tokens", "INT64", [1, 64]],
    ["texts", "BYTES", [1, 64]],
    ["one element", "FP32", []],
    ["no square", "FP32", [1, 65]],
    ["two channels", "FP32", [1, 2, 28, 28]],
  ])("not in %s", (_words, datatype, shape) => {
    expect(pictureLayout(datatype, shape)).toBeUndefined();
  });
});

test("elements of bytes come back from pixels, in every layout", () => {
  const layouts = [
    [1, 3, 6, 8],
    [1, 6, 8, 3],
    [1, 64],
  ].map((shape) => pictureLayout("UINT8", shape));
  for (const layout of layouts) {
    if (layout === undefined) throw new Error("expected a layout");
    const length = layout.width * layout.height * layout.channels;
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 255 }), { minLength: length, maxLength: length }), (data) => {
        expect(dataOf(layout, pixelsOf(layout, data, 255), { white: 255, isWhole: true })).toEqual(data);
      }),
      { numRuns: 20 },
    );
  }
});

test("a pen adds light about a point, and takes none away", () => {
  const layout = pictureLayout("FP32", [1, 64]);
  if (layout === undefined) throw new Error("expected a layout");
  const before = Array.from({ length: 64 }, (_, index) => (index === 63 ? 16 : 0));
  const after = penned(layout, before, { x: 4, y: 4 }, { white: 16, isWhole: false });
  expect(after).toHaveLength(64);
  expect(after[4 * 8 + 4]).toBeGreaterThan(5);
  expect(after[0]).toBe(0);
  expect(after[63]).toBe(16);
});
