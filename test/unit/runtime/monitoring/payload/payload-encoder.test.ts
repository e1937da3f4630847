import { describe, expect, test } from "vitest";
import type { Datatype, Tensor } from "../../../../../runtime/core/tensor.ts";
import {
  encodePayload,
  tensorsOf,
  type EncodedPayload,
} from "../../../../../runtime/monitoring/payload/payload-encoder.ts";
import { copyTensors } from "../../../../../runtime/monitoring/payload/payload.ts";
import { writeInferResponse } from "../../../../../runtime/protocol/v2/infer-response.ts";
import { SAMPLE_DATA } from "../../../../fixtures/tensor-samples.ts";
import { floats, labels, payloadOf } from "../../../../fixtures/payload-fixtures.ts";

const ENDLESS = { take: () => true, giveBack: () => undefined };

function encode(
  payload: Parameters<typeof encodePayload>[0],
  wantsResponse = true,
): EncodedPayload & { steps: number } {
  const steps = encodePayload(payload, wantsResponse, ENDLESS);
  for (let count = 1; ; count++) {
    const step = steps.next();
    if (step.done !== true) continue;
    if (step.value === undefined) throw new Error("there was room");
    return { ...step.value, steps: count };
  }
}

function textOf(pieces: readonly Uint8Array[] | undefined): string {
  return Buffer.concat(pieces ?? []).toString("utf8");
}

describe("a payload", () => {
  const payload = payloadOf([floats("input", [1, 2.5, -3, 0.1], [1, 4])], [labels("label", [2])]);

  test("becomes a request and a response of the protocol", () => {
    const { request, response } = encode(payload);
    expect(JSON.parse(textOf(request?.pieces))).toEqual({
      id: "request-1",
      inputs: [{ name: "input", shape: [1, 4], datatype: "FP32", data: [1, 2.5, -3, 0.1] }],
    });
    expect(JSON.parse(textOf(response?.pieces))).toEqual({
      model_name: "iris",
      model_version: "3",
      id: "request-1",
      outputs: [{ name: "label", shape: [1], datatype: "INT64", data: [2] }],
    });
    expect(JSON.parse(textOf(request && tensorsOf(request)))).toHaveLength(1);
  });

  test("has the id that its client gave it", () => {
    const { request } = encode(payloadOf([], [], { clientId: 'mine "é" \u2028' }));
    expect(JSON.parse(textOf(request?.pieces))).toEqual({ id: 'mine "é" \u2028', inputs: [] });
  });

  test("that failed has its code, and no outputs", () => {
    const { response } = encode(payloadOf([], undefined, { code: "DeadlineExceeded" }));
    expect(JSON.parse(textOf(response?.pieces))).toMatchObject({ error: "DeadlineExceeded" });
    expect(response?.tensorsAt).toBeUndefined();
    expect(response && tensorsOf(response)).toEqual([]);
  });

  test("has only the half that is wanted", () => {
    expect(encode({ ...payload, inputs: undefined }).request).toBeUndefined();
    expect(encode(payload, false).response).toBeUndefined();
  });
});

test.each(Object.keys(SAMPLE_DATA) as Datatype[])("elements of %s are written as answers have them", (datatype) => {
  const tensor = { name: "x", datatype, shape: [2, 3], data: SAMPLE_DATA[datatype] } as Tensor;
  const { response } = encode(payloadOf([], [tensor]));
  const { body } = writeInferResponse({ model: "iris", version: 3, id: "request-1", outputs: [tensor] });
  expect(textOf(response?.pieces)).toBe(typeof body === "string" ? body : Buffer.from(body as Uint8Array).toString());
});

test.each<[Datatype, Tensor["data"]]>([
  ["FP16", Uint16Array.of(0x3c00, 0x7e00, 0x7c00, 0xfc00)],
  ["FP32", Float32Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)],
  ["FP64", Float64Array.of(1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY)],
])("what is no number in %s is a word", (datatype, data) => {
  const { request } = encode(payloadOf([{ name: "x", datatype, shape: [4], data } as Tensor]));
  const [input] = (JSON.parse(textOf(request?.pieces)) as { inputs: { data: unknown[] }[] }).inputs;
  expect(input?.data).toEqual([1, "NaN", "Infinity", "-Infinity"]);
});

test("values that are left out leave their names, datatypes and shapes", () => {
  const inputs = copyTensors([floats("secret", [42.25]), floats("open", [1])], new Set(["secret"]));
  const { request } = encode(payloadOf(inputs as Tensor[]));
  expect(textOf(request?.pieces)).not.toContain("42.25");
  expect(JSON.parse(textOf(request?.pieces))).toMatchObject({
    inputs: [
      { name: "secret", shape: [1], datatype: "FP32", parameters: { redacted: true } },
      { name: "open", data: [1] },
    ],
  });
});

describe("a large payload", () => {
  const values = Array.from({ length: 50_000 }, (_, index) => index / 8);
  const words: Tensor = { name: "words", datatype: "BYTES", shape: [3], data: ["ä".repeat(90_000), "", "b"] };
  const payload = payloadOf([floats("input", values), words], [floats("output", values)]);

  test("is encoded in many steps, and is the same", () => {
    const { request, response, steps } = encode(payload);
    expect(steps).toBeGreaterThan(8);
    const read = JSON.parse(textOf(request?.pieces)) as { inputs: { data: unknown[] }[] };
    expect(read.inputs.map(({ data }) => data)).toEqual([values, words.data]);
    expect(JSON.parse(textOf(request && tensorsOf(request)))).toEqual(read.inputs);
    expect(request?.sizeBytes).toBe(textOf(request?.pieces).length + 90_000);
    expect((JSON.parse(textOf(response?.pieces)) as { outputs: { data: unknown[] }[] }).outputs[0]?.data).toEqual(
      values,
    );
  });

  test("takes memory as it grows, and gives all of it back where there is no more", () => {
    let heldBytes = 0;
    let greatest = 0;
    const room = {
      take: (sizeBytes: number) => {
        if (heldBytes + sizeBytes > 300_000) return false;
        heldBytes += sizeBytes;
        greatest = Math.max(greatest, heldBytes);
        return true;
      },
      giveBack: (sizeBytes: number) => (heldBytes -= sizeBytes),
    };
    const steps = encodePayload(payload, true, room);
    let step = steps.next();
    while (step.done !== true) step = steps.next();
    expect(step.value).toBeUndefined();
    expect(greatest).toBeGreaterThan(100_000);
    expect(heldBytes).toBe(0);
  });

  test("that is given up midway holds nothing", () => {
    let heldBytes = 0;
    const room = {
      take: (sizeBytes: number) => ((heldBytes += sizeBytes), true),
      giveBack: (sizeBytes: number) => (heldBytes -= sizeBytes),
    };
    const steps = encodePayload(payload, true, room);
    steps.next();
    steps.next();
    expect(heldBytes).toBeGreaterThan(0);
    steps.return(undefined);
    expect(heldBytes).toBe(0);
  });
});
