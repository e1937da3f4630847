import { expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import type { Dialect } from "../../../../runtime/protocol/dialect.ts";
import { PREDICT_DIALECT } from "../../../../runtime/protocol/predict/predict-dialect.ts";
import { V2_DIALECT } from "../../../../runtime/protocol/v2/v2-dialect.ts";
import { SAMPLE_ELEMENTS } from "./tensor-samples.ts";

const RUNS = 20_000;
const SEED = 20_261_122;

/** Numbers from 0 to 2^32 - 1 that look random and are always the same (xorshift). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

const SIGNATURE: Signature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 3] },
    { name: "ids", datatype: "INT64", shape: [-1] },
    { name: "t", datatype: "BYTES", shape: [2, 3] },
  ],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const SINGLE: Signature = { inputs: SIGNATURE.inputs.slice(0, 1), outputs: SIGNATURE.outputs };

const V2_BODY = `{"id":"a","parameters":{"p":1.5,"q":true},"inputs":[{"name":"x","shape":[2,3],"datatype":"FP32","parameters":{"c":"np"},"data":[[0.1,-2e3,3],[4,5.25,16777217]]},{"data":[${SAMPLE_ELEMENTS.INT64.join(", ")}],"name":"ids","datatype":"INT64","shape":[6]},{"name":"t","shape":[2,3],"datatype":"BYTES","data":[${SAMPLE_ELEMENTS.BYTES.join(",")}]}],"outputs":[{"name":"y","parameters":{"binary_data":false}}],"extra":null}`;

/** What mutations insert: what the grammar is made of, what numbers overflow with, what breaks UTF-8. */
const PIECES = [
  ...Array.from('{}[]",:\\-+.eE0123456789'),
  '"x"',
  "null",
  "true",
  "NaN",
  "1e999",
  "-0",
  "[[",
  "]]",
  "99999999999999999999",
  '"shape":',
  "\\u0000",
  "\\ud800",
  "\u0000",
  "é",
  "😀",
  '"__proto__":',
  '"datatype":"INT8"',
  '"data":[1],',
  "[".repeat(100),
].map((text) => Buffer.from(text));

function mutate(body: Buffer, random: () => number): Buffer {
  let bytes = body;
  for (let count = 1 + (random() % 4); count > 0; count--) {
    const at = random() % (bytes.length + 1);
    const length = random() % 8;
    const piece = PIECES[random() % PIECES.length] as Buffer;
    const copied = bytes.subarray(random() % bytes.length).subarray(0, random() % 40);
    const middles = [piece, Buffer.of(random() & 0xff), copied, Buffer.of()];
    bytes = Buffer.concat([bytes.subarray(0, at), middles[random() % 4] as Buffer, bytes.subarray(at + length)]);
    if (bytes.length === 0) return body.subarray(0, 1);
  }
  return bytes;
}

/** Reads a body, and writes an answer if it can be read: how that ends. */
function outcome(dialect: Dialect, body: Buffer, signature: Signature): string {
  try {
    const servable = { id: { name: "m", version: 1 }, digest: "sha256:00", signature, state: [] };
    const { writeAnswer } = dialect.prepare({ body, header: () => undefined }, servable);
    const output: Tensor = { name: "y", datatype: "FP32", shape: [1, 3], data: new Float32Array(3) };
    JSON.parse(String(writeAnswer({ servable, outputs: [output] }).body));
    return "OK";
  } catch (error) {
    if (error instanceof ServingError) return error.code;
    return `${String(error)} for ${JSON.stringify(body.toString("latin1"))}`;
  }
}

test.each([
  ["v2", V2_DIALECT, Buffer.from(V2_BODY), SIGNATURE],
  ["predict", PREDICT_DIALECT, Buffer.from('{"input":[[0.1,-2e3,3],[4,5.25,16777217]]}'), SINGLE],
])("whatever is sent is read or refused: %s", (_name, dialect, body, signature) => {
  expect(outcome(dialect, body, signature)).toBe("OK");
  const random = randomNumbers(SEED);
  const counts = new Map<string, number>();
  for (let run = 0; run < RUNS; run++) {
    const result = outcome(dialect, mutate(body, random), signature);
    counts.set(result, (counts.get(result) ?? 0) + 1);
  }
  expect([...counts.keys()].filter((code) => !["OK", "InvalidArgument"].includes(code))).toEqual([]);
  // The mutations are neither all harmless nor all fatal.
  expect(counts.get("OK")).toBeGreaterThan(RUNS / 100);
  expect(counts.get("InvalidArgument")).toBeGreaterThan(RUNS / 2);
});
