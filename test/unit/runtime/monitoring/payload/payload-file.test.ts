import * as fc from "fast-check";
import { parquetReadObjects } from "hyparquet";
import { expect, test } from "vitest";
import { encodePayload, type EncodedPayload } from "../../../../../runtime/monitoring/payload/payload-encoder.ts";
import { parquetFileOf } from "../../../../../runtime/monitoring/payload/parquet-file.ts";
import { linePiecesOf, payloadFileKey } from "../../../../../runtime/monitoring/payload/payload-file.ts";
import type { Payload } from "../../../../../runtime/monitoring/payload/payload.ts";
import { floats, HEAD, labels, payloadOf } from "../../../../fixtures/payload-fixtures.ts";

function encode(payload: Payload): EncodedPayload {
  const steps = encodePayload(payload, true, { take: () => true, giveBack: () => undefined });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  if (step.value === undefined) throw new Error("there was room");
  return step.value;
}

const ANSWERED = encode(payloadOf([floats("input", [1, 2], [1, 2])], [labels("label", [2])], { clientId: "mine" }));
const FAILED = encode(payloadOf([floats("input", [3], [1])], undefined, { code: "Unavailable", timing: undefined }));

test("names of files sort by time and by number, in folders of days", () => {
  const name = {
    prefix: "logs/iris",
    startedAtMs: HEAD.startedAtMs,
    instance: "0a1b",
    number: 7,
    extension: "jsonl",
  } as const;
  expect(payloadFileKey(name)).toBe("logs/iris/date=2026-03-04/05-06-07-0a1b-000007.jsonl");
  expect(payloadFileKey({ ...name, prefix: "", extension: "parquet" })).toBe(
    "date=2026-03-04/05-06-07-0a1b-000007.parquet",
  );
  const moment = fc.tuple(fc.integer({ min: 0, max: 4e12 }), fc.integer({ min: 0, max: 999_999 }));
  fc.assert(
    fc.property(moment, moment, ([earlier, one], [later, other]) => {
      fc.pre(Math.floor(earlier / 1000) < Math.floor(later / 1000) || (earlier === later && one < other));
      const keys = [
        payloadFileKey({ ...name, startedAtMs: earlier, number: one }),
        payloadFileKey({ ...name, startedAtMs: later, number: other }),
      ];
      expect(keys.toSorted()).toEqual(keys);
    }),
  );
});

test("a line is an object with all that is known of the request", () => {
  const line = Buffer.concat(linePiecesOf(ANSWERED)).toString();
  expect(line.indexOf("\n")).toBe(line.length - 1);
  expect(JSON.parse(line)).toEqual({
    id: "request-1",
    client_id: "mine",
    time: "2026-03-04T05:06:07.089Z",
    model: "iris",
    version: "3",
    digest: "sha256:0123",
    code: "OK",
    latency_ms: 2.5,
    queue_ms: 0.25,
    compute_ms: 1.5,
    batch_size: 4,
    inputs: [{ name: "input", shape: [1, 2], datatype: "FP32", data: [1, 2] }],
    outputs: [{ name: "label", shape: [1], datatype: "INT64", data: [2] }],
  });
});

test("the line of a request that failed has its code, and no outputs", () => {
  const line = JSON.parse(Buffer.concat(linePiecesOf(FAILED)).toString()) as Record<string, unknown>;
  expect(line).toMatchObject({ code: "Unavailable", inputs: [{ data: [3] }] });
  expect(Object.keys(line)).not.toContain("outputs");
});

test("a file of Parquet has a row for each", async () => {
  const file = parquetFileOf([ANSWERED, FAILED]);
  const buffer = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
  const rows = await parquetReadObjects({ file: buffer });
  expect(rows).toEqual([
    {
      request_id: "request-1",
      client_id: "mine",
      time: new Date(HEAD.startedAtMs),
      model: "iris",
      version: 3n,
      digest: "sha256:0123",
      code: "OK",
      latency_ms: 2.5,
      queue_ms: 0.25,
      compute_ms: 1.5,
      batch_size: 4,
      inputs: '[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]}]',
      outputs: '[{"name":"label","shape":[1],"datatype":"INT64","data":[2]}]',
    },
    expect.objectContaining({ code: "Unavailable", client_id: null, queue_ms: null, batch_size: null, outputs: null }),
  ]);
});
