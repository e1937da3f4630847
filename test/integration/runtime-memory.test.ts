import { readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { expect, test } from "vitest";
import { onnxModel } from "../fixtures/onnx-builder.ts";
import { EXAMPLES, ProcessUnderTest, temporaryFolder } from "./runtime-under-test.ts";

const CYCLES = 200;
/** What comes back late, such as the heap's own growth, has come by then. */
const WARM_UP_CYCLES = 40;
/** Over 1,160 cycles the slope is zero, over 160 it is at most a fifth of this; a leak of a model is 16 times as much. */
const LEAK_BYTES_PER_CYCLE = 256 * 1024;

/** A model of 4 MiB that multiplies by a matrix. */
function matrixModel(): Uint8Array {
  const width = 1_024;
  const data = new Float32Array(width * width).map((_, index) => (index % 1_000) / 1e6);
  return onnxModel({
    inputs: [{ name: "input", type: "FLOAT", dims: ["n", width] }],
    outputs: [{ name: "output", type: "FLOAT", dims: ["n", width] }],
    nodes: [{ op: "MatMul", inputs: ["input", "weights"], outputs: ["output"] }],
    initializers: { weights: { type: "FLOAT", dims: [width, width], data: new Uint8Array(data.buffer) } },
  });
}

test.runIf(process.platform === "linux")(
  "memory comes back when versions are unloaded",
  { timeout: 180_000 },
  async () => {
    const large = path.join(await temporaryFolder(), "model.onnx");
    await writeFile(large, matrixModel());
    const small = path.join(EXAMPLES, "models/digits/1/model.onnx");
    expect(readFileSync(large).length).toBeGreaterThan(4 * 1024 ** 2);
    const child = new ProcessUnderTest(
      [path.join(import.meta.dirname, "runtime-load-cycles.ts"), String(CYCLES), small, large],
      // As in the image: threads that come and go would each keep some memory of their own.
      { MALLOC_ARENA_MAX: "1" },
    );
    const { code } = await child.exited;
    expect({ code, output: child.output }).toMatchObject({ code: 0 });
    const residentBytes = JSON.parse(child.output) as number[];
    expect(residentBytes).toHaveLength(CYCLES);
    const growthBytes = growthPerCycle(residentBytes.slice(WARM_UP_CYCLES));
    expect(growthBytes).toBeLessThan(LEAK_BYTES_PER_CYCLE / 2);
  },
);

test("the measure finds a leak of 256 KiB in each cycle, whatever else moves", () => {
  const noise = Array.from({ length: CYCLES - WARM_UP_CYCLES }, (_, cycle) => ((cycle * 7_919) % 97) * 200_000);
  expect(growthPerCycle(noise)).toBeLessThan(LEAK_BYTES_PER_CYCLE / 2);
  expect(growthPerCycle(noise.map((bytes, cycle) => bytes + cycle * LEAK_BYTES_PER_CYCLE))).toBeGreaterThan(
    LEAK_BYTES_PER_CYCLE / 2,
  );
});

/** From the median of the first quarter to that of the last: single cycles do not matter. */
function growthPerCycle(residentBytes: readonly number[]): number {
  const quarter = Math.floor(residentBytes.length / 4);
  const growth = median(residentBytes.slice(-quarter)) - median(residentBytes.slice(0, quarter));
  return growth / (residentBytes.length - quarter);
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
