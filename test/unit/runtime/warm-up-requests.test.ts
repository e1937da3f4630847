import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { ServableView } from "../../../runtime/core/servable.ts";
import type { Tensor } from "../../../runtime/core/tensor.ts";
import { readWarmUpRequests } from "../../../runtime/warm-up-requests.ts";

const TARGET: Pick<ServableView, "signature" | "state"> = {
  signature: {
    inputs: [
      { name: "x", datatype: "FP32", shape: [-1, 2] },
      { name: "state", datatype: "FP32", shape: [2, -1, 3] },
    ],
    outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
  },
  state: [{ input: "state", output: "stateN" }],
};

const requestOf = (...data: number[]): string =>
  JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data }] });

function read(requests: readonly string[], file?: string): Promise<readonly (readonly Tensor[])[]> {
  const folder = mkdtempSync(path.join(tmpdir(), "lockstep-warm-up-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  if (file !== undefined) writeFileSync(path.join(folder, "warmup.jsonl"), file);
  const version = {
    version: 1,
    modelFile: path.join(folder, "model.onnx"),
    digest: "",
    sizeBytes: 1,
    modelSizeBytes: 1,
  };
  return readWarmUpRequests(version, { warmup: { iterations: 1, requests: [...requests] } }, TARGET);
}

test("the configuration's requests come first, then the file's; state that they leave out is zeros", async () => {
  const requests = await read([requestOf(1, 2)], `${requestOf(3, 4)}\n\n${requestOf(5, 6)}\n`);
  expect(requests.map(([x]) => [...(x?.data ?? [])])).toEqual([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  expect(requests[0]?.[1]).toEqual({ name: "state", datatype: "FP32", shape: [2, 1, 3], data: new Float32Array(6) });
});

test("there may be none", async () => {
  expect(await read([])).toEqual([]);
  expect(await read([], "\n")).toEqual([]);
});

test.each<[words: string, requests: readonly string[], file: string | undefined, message: RegExp]>([
  ["no JSON", ["{"], undefined, /^warmup\.requests\[0\]: /],
  ["another shape", [requestOf(1, 2), requestOf(1, 2, 3)], undefined, /^warmup\.requests\[1\]: input "x": data/],
  ["an input that is missing", ['{"inputs":[]}'], undefined, /^warmup\.requests\[0\]: inputs: .*got no "x"/],
  ["a line of the file", [], `${requestOf(1, 2)}\n[]`, /^warmup\.jsonl, request 2: /],
  ["too many lines", [], "{}\n".repeat(101), /^warmup\.jsonl: expected at most 100 requests, got 101$/],
])("what does not fit the model is named: %s", async (_words, requests, file, message) => {
  await expect(read(requests, file)).rejects.toMatchObject({
    reason: "WarmupFailed",
    message: expect.stringMatching(message),
  });
});
