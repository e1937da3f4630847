import { describe, expect, test } from "vitest";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import {
  KSERVE_EXPLAIN_DIALECT,
  KSERVE_PREDICT_DIALECT,
  SHARED_PREDICT_DIALECT,
} from "../../../../../runtime/protocol/kserve-v1/v1-dialects.ts";
import { answerTo, fuzz, inputsOf, prepare, servableOf, textOf } from "../dialect-harness.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

const RUNS = runCount(20_000);

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
};
const SERVABLE = servableOf(SIGNATURE);
const OUTPUT: Tensor = { name: "y", datatype: "FP32", shape: [1], data: Float32Array.of(7) };
const NAN: Tensor = { ...OUTPUT, data: Float32Array.of(Number.NaN) };
const X = { x: { shape: [1, 2], data: Float32Array.of(1, 2) } };

const BINARY = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": "ask" };
const STRUCTURED = { "content-type": "application/cloudevents+json; charset=UTF-8" };
const EVENT =
  '{"specversion":"1.0","id":"1","source":"test","type":"ask","time":"x","n":{"a":[1]},"data":{"instances":[[1,2]]}}';

describe("inputs", () => {
  test.each([
    ['{"instances":[[1,2]]}', "predictions", "predictions"],
    ['{"inputs":[[1,2]]}', "predictions", "outputs"],
    ['{"inputs":{"x":[[1,2]]}}', "predictions", "outputs"],
  ])("%s", (body, alone, shared) => {
    for (const [dialect, key] of [
      [KSERVE_PREDICT_DIALECT, alone],
      [SHARED_PREDICT_DIALECT, shared],
    ] as const) {
      expect(inputsOf(dialect, body, SERVABLE)).toEqual(X);
      expect(textOf(answerTo(dialect, { body }, SERVABLE, [OUTPUT]))).toBe(`{"${key}":[7]}`);
    }
  });
});

test("NaN is a word for TensorFlow's clients, and refused for others, whose JSON does not have it", () => {
  const request = { body: '{"instances":[[1,2]]}' };
  expect(textOf(answerTo(SHARED_PREDICT_DIALECT, request, SERVABLE, [NAN]))).toBe('{"predictions":[NaN]}');
  expect(() => answerTo(KSERVE_PREDICT_DIALECT, request, SERVABLE, [NAN])).toThrow(/expected finite numbers/);
  expect(() => answerTo(SHARED_PREDICT_DIALECT, { ...request, headers: BINARY }, SERVABLE, [NAN])).toThrow(
    /expected finite numbers/,
  );
});

describe("CloudEvents", () => {
  const attributes = {
    specversion: "1.0",
    id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    source: "io.kserve.inference.m",
    type: "io.kserve.inference.response",
    time: expect.stringMatching(/^\d{4}-.*Z$/) as string,
  };

  test("by headers are answered by headers", () => {
    const answer = answerTo(
      SHARED_PREDICT_DIALECT,
      { body: '{"instances":[[1,2]]}', headers: { ...BINARY, "content-type": "application/json" } },
      SERVABLE,
      [OUTPUT],
    );
    expect(textOf(answer)).toBe('{"predictions":[7]}');
    expect(answer.contentType).toBeUndefined();
    expect(answer.headers).toEqual(
      Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`ce-${name}`, value])),
    );
  });

  test("in JSON are answered in JSON", () => {
    expect(inputsOf(KSERVE_PREDICT_DIALECT, EVENT, SERVABLE, STRUCTURED)).toEqual(X);
    const answer = answerTo(KSERVE_PREDICT_DIALECT, { body: EVENT, headers: STRUCTURED }, SERVABLE, [OUTPUT]);
    expect(answer.contentType).toBe("application/cloudevents+json");
    expect(JSON.parse(textOf(answer))).toEqual({
      ...attributes,
      datacontenttype: "application/json",
      data: { predictions: [7] },
    });
  });

  test.each([
    [
      "another version",
      "{}",
      { ...BINARY, "ce-specversion": "0.3" },
      'CloudEvent: ce-specversion: expected 1.0, got "0.3"',
    ],
    ["no id", "{}", { ...BINARY, "ce-id": "" }, "CloudEvent: expected the header ce-id, got none"],
    [
      "no type inside",
      EVENT.replace('"type"', '"kind"'),
      STRUCTURED,
      "CloudEvent: expected the attribute type, got none",
    ],
    [
      "an empty id inside",
      EVENT.replace('"id":"1"', '"id":""'),
      STRUCTURED,
      "CloudEvent: expected the attribute id, got none",
    ],
    [
      "another version inside",
      EVENT.replace("1.0", "2.0"),
      STRUCTURED,
      'CloudEvent: specversion: expected 1.0, got "2.0"',
    ],
    ["no data", EVENT.replace('"data"', '"data_base64"'), STRUCTURED, "CloudEvent: expected the member data, got none"],
    ["no event", "[]", STRUCTURED, "CloudEvent: expected an object, got an array"],
  ])("refuses %s", (_name, body, headers, message) => {
    expect(() => prepare(SHARED_PREDICT_DIALECT, body, SERVABLE, headers)).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message }),
    );
  });

  test("refuses many at once", () => {
    const headers = { "content-type": "application/cloudevents-batch+json" };
    expect(() => prepare(SHARED_PREDICT_DIALECT, "[]", SERVABLE, headers)).toThrow(
      expect.objectContaining({ code: "UnsupportedMediaType" }),
    );
  });
});

test("explanations are not implemented", () => {
  expect(() => prepare(KSERVE_EXPLAIN_DIALECT, '{"instances":[[1,2]]}', SERVABLE)).toThrow(
    expect.objectContaining({ code: "Unimplemented", message: expect.stringContaining("no explainers") as string }),
  );
});

test.each([
  ["alone", KSERVE_PREDICT_DIALECT],
  ["shared", SHARED_PREDICT_DIALECT],
])("whatever is sent is read or refused: %s", (_name, dialect) => {
  const requests = [
    { body: '{"instances":[[0.1,-2e3],[4,5.25]]}' },
    { body: '{"inputs":{"x":[[1,2]]}}', headers: BINARY },
    { body: EVENT, headers: STRUCTURED },
  ];
  const counts = fuzz(dialect, requests, SERVABLE, RUNS);
  expect([...counts.keys()].filter((code) => code !== "OK" && code !== "InvalidArgument")).toEqual([]);
  expect(counts.get("OK")).toBeGreaterThan(RUNS / 100);
  expect(counts.get("InvalidArgument")).toBeGreaterThan(RUNS / 2);
});
