import { describe, expect, inject, test } from "vitest";
import { gzipSync } from "node:zlib";
import { callHttp, type HttpAnswer, type HttpCall } from "./http-client.ts";

const url = inject("httpUrl");
const ROWS = "/v2/models/rows/infer";
const X = { name: "input", shape: [1, 3], datatype: "FP32", data: [1, 2, 3] };
const { data: _, ...WITHOUT_DATA } = X;
const BINARY = { ...WITHOUT_DATA, parameters: { binary_data_size: 12 } };

const request = (inputs: readonly unknown[] = [X], rest: object = {}): string => JSON.stringify({ inputs, ...rest });

/** JSON with binary data behind it. */
function withBinary(json: string, bytes: number, header: string | number = json.length): HttpCall {
  return {
    headers: { "inference-header-content-length": String(header) },
    body: Buffer.concat([Buffer.from(json), Buffer.alloc(bytes)]),
  };
}

/** A row of the table: what is sent, the status, and words of the message. */
type Row = readonly [what: string, path: string, call: HttpCall, status: number, words: string];

const ROWS_OF_ERRORS: readonly Row[] = [
  ["a body that is not JSON", ROWS, { body: "{" }, 400, "JSON"],
  ["no body", ROWS, { body: "" }, 400, "expected an object"],
  ["bytes that are not UTF-8", ROWS, { body: Buffer.of(0x7b, 0xff, 0x7d) }, 400, "UTF-8"],
  ["no inputs", ROWS, { body: "{}" }, 400, '"inputs"'],
  ["an input without a name", ROWS, { body: request([{ ...X, name: undefined }]) }, 400, '"name"'],
  ["an input without a shape", ROWS, { body: request([{ ...X, shape: undefined }]) }, 400, '"shape"'],
  ["an input without a datatype", ROWS, { body: request([{ ...X, datatype: undefined }]) }, 400, '"datatype"'],
  ["an input without data", ROWS, { body: request([WITHOUT_DATA]) }, 400, '"data"'],
  ["a missing input", ROWS, { body: request([]) }, 400, 'got no "input"'],
  ["an unknown input", ROWS, { body: request([X, { ...X, name: "more" }]) }, 400, '"more"'],
  ["an input twice", ROWS, { body: request([X, X]) }, 400, "twice"],
  ["another datatype", ROWS, { body: request([{ ...X, datatype: "FP64" }]) }, 400, "expected datatype FP32, got FP64"],
  ["no datatype at all", ROWS, { body: request([{ ...X, datatype: "FP31" }]) }, 400, "FP31"],
  ["BF16", ROWS, { body: request([{ ...X, datatype: "BF16" }]) }, 400, "BF16 is not supported"],
  ["another shape", ROWS, { body: request([{ ...X, shape: [3, 1] }]) }, 400, "expected shape [-1,3]"],
  ["another rank", ROWS, { body: request([{ ...X, shape: [3] }]) }, 400, "expected shape [-1,3]"],
  ["a negative dimension", ROWS, { body: request([{ ...X, shape: [-1, 3] }]) }, 400, "negative"],
  ["no rows", ROWS, { body: request([{ ...X, shape: [0, 3], data: [] }]) }, 400, "batch of 1 or more"],
  ["fewer elements", ROWS, { body: request([{ ...X, data: [1, 2] }]) }, 400, "expected 3 elements"],
  ["more elements", ROWS, { body: request([{ ...X, data: [1, 2, 3, 4] }]) }, 400, "expected 3 elements"],
  ["ragged elements", ROWS, { body: request([{ ...X, shape: [2, 3], data: [[1, 2, 3], [4]] }]) }, 400, "ragged"],
  ["a text among numbers", ROWS, { body: request([{ ...X, data: [1, "2", 3] }]) }, 400, "got a string"],
  ["a number beyond the range", ROWS, { body: request([{ ...X, data: [1, 1e39, 3] }]) }, 400, "beyond its range"],
  ["NaN in JSON", ROWS, { body: request().replace("[1,2,3]", "[1,NaN,3]") }, 400, "JSON does not have"],
  [
    "a fraction for INT32",
    "/v2/models/fixed/infer",
    { body: request([{ name: "input", datatype: "INT32", shape: [2, 3], data: [1, 2, 3, 4, 5, 0.5] }]) },
    400,
    "fraction",
  ],
  ["an unknown output", ROWS, { body: request([X], { outputs: [{ name: "nothing" }] }) }, 400, '"nothing"'],
  [
    "an output twice",
    ROWS,
    { body: request([X], { outputs: [{ name: "output" }, { name: "output" }] }) },
    400,
    "twice",
  ],
  [
    "shared memory",
    ROWS,
    { body: request([{ ...WITHOUT_DATA, parameters: { shared_memory_region: "r" } }]) },
    400,
    "shared memory",
  ],
  [
    "classes of no number",
    ROWS,
    { body: request([X], { outputs: [{ name: "output", parameters: { classification: "a" } }] }) },
    400,
    "number of classes",
  ],
  ["a sequence of no id", ROWS, { body: request([X], { parameters: { sequence_start: true } }) }, 400, "sequence_id"],
  [
    "a text with NUL",
    "/v2/models/identity-bytes/infer",
    { body: request([{ name: "input", datatype: "BYTES", shape: [1], data: ["\0"] }]) },
    400,
    "NUL",
  ],
  [
    "NaN from the model",
    "/v2/models/logarithm/infer",
    { body: request([{ name: "input", datatype: "FP32", shape: [1], data: [-1] }]) },
    400,
    "binary",
  ],

  ["binary data without its header", ROWS, { body: request([BINARY]) }, 400, "Inference-Header-Content-Length"],
  [
    "a size that is not the shape's",
    ROWS,
    withBinary(request([{ ...BINARY, parameters: { binary_data_size: 8 } }]), 8),
    400,
    "expected 12 bytes",
  ],
  ["fewer bytes than the size", ROWS, withBinary(request([BINARY]), 11), 400, "expected 12 bytes"],
  ["bytes behind the last input", ROWS, withBinary(request([BINARY]), 13), 400, "1 more"],
  [
    "a negative size",
    ROWS,
    withBinary(request([{ ...BINARY, parameters: { binary_data_size: -12 } }]), 12),
    400,
    "number of bytes",
  ],
  [
    "a size that is no integer",
    ROWS,
    withBinary(request([{ ...BINARY, parameters: { binary_data_size: 1.5 } }]), 12),
    400,
    "number of bytes",
  ],
  ["both data and a size", ROWS, withBinary(request([{ ...X, ...BINARY }]), 12), 400, "both"],
  ["a header beyond the body", ROWS, withBinary(request([BINARY]), 12, 1_000_000), 400, "at most"],
  ["a negative header", ROWS, withBinary(request([BINARY]), 12, -5), 400, "number of bytes"],
  ["a header that is no number", ROWS, withBinary(request([BINARY]), 12, "x"), 400, "number of bytes"],
  ["a header that is no integer", ROWS, withBinary(request([BINARY]), 12, "10.5"), 400, "number of bytes"],
  ["a header that cuts the JSON", ROWS, withBinary(request([BINARY]), 12, 20), 400, "JSON"],
  ["raw data of a length that does not fit", ROWS, withBinary("", 13, 0), 400, "bytes"],
  ["raw data for several inputs", "/v2/models/all-types/infer", withBinary("", 12, 0), 400, "inputs"],
  [
    "texts cut off",
    "/v2/models/identity-bytes/infer",
    withBinary(request([{ name: "input", datatype: "BYTES", shape: [1], parameters: { binary_data_size: 3 } }]), 3),
    400,
    "length of 4 bytes",
  ],

  ["an unknown model", "/v2/models/nobody/infer", { body: request() }, 404, "model"],
  ["an unknown version", "/v2/models/rows/versions/9/infer", { body: request() }, 404, "version"],
  ["a version that is no number", "/v2/models/rows/versions/one/infer", { body: request() }, 404, "path"],
  ["a name that no model can have", "/v2/models/%2e%2e/infer", { body: request() }, 404, "path"],
  ["an unknown path", "/v2/models/rows/predict", { body: request() }, 404, "path"],
  ["metadata of an unknown model", "/v2/models/nobody", {}, 404, "model"],
  ["the configuration of an unknown version", "/v2/models/rows/versions/9/config", {}, 404, "version"],
  ["readiness of an unknown model", "/v2/models/nobody/ready", {}, 404, "model"],
  ["another method for inference", ROWS, { method: "GET" }, 405, "method"],
  ["another method for metadata", "/v2/models/rows", { method: "DELETE" }, 405, "method"],
  ["another media type", ROWS, { body: request(), headers: { "content-type": "text/plain" } }, 415, "Content-Type"],
  [
    "another charset",
    ROWS,
    { body: request(), headers: { "content-type": "application/json; charset=latin1" } },
    415,
    "charset",
  ],
  ["another compression", ROWS, { body: request(), headers: { "content-encoding": "br" } }, 415, "Content-Encoding"],
  [
    "a body that is not compressed as it says",
    ROWS,
    { body: request(), headers: { "content-encoding": "gzip" } },
    400,
    "gzip",
  ],
  [
    "a body that is cut off in its compression",
    ROWS,
    { body: gzipSync(request()).subarray(0, -6), headers: { "content-encoding": "gzip" } },
    400,
    "gzip",
  ],
];

const errorOf = ({ body }: HttpAnswer): unknown => JSON.parse(body.toString());

describe("every error has its status, and an object that says what is wrong", () => {
  test.each(ROWS_OF_ERRORS.map(([what, path, call, status, words]) => ({ what, path, call, status, words })))(
    "$status: $what",
    async ({ path, call, status, words }) => {
      const answer = await callHttp(`${url}${path}`, { method: call.body === undefined ? "GET" : "POST", ...call });
      expect(errorOf(answer)).toEqual({ error: expect.stringContaining(words) as string });
      expect(answer.status).toBe(status);
      expect(answer.headers["content-type"]).toBe("application/json");
    },
  );

  test("413: a body that is larger than the limit, before it is sent", async () => {
    const answer = await callHttp(`${url}${ROWS}`, {
      method: "POST",
      headers: { "content-length": String(2 ** 40), expect: "100-continue" },
    });
    expect(answer.status).toBe(413);
    expect(errorOf(answer)).toEqual({ error: expect.stringContaining("at most") as string });
  });
});

test("an answer in binary has NaN where JSON must refuse", async () => {
  const input = { name: "input", datatype: "FP32", shape: [2], data: [-1, 0] };
  const body = request([input], { parameters: { binary_data_output: true } });
  const answer = await callHttp(`${url}/v2/models/logarithm/infer`, { body });
  const data = answer.body.subarray(Number(answer.headers["inference-header-content-length"]));
  expect([data.readFloatLE(0), data.readFloatLE(4)]).toEqual([Number.NaN, -Infinity]);
});

test.each(["1", "2"])("version %s answers where it is asked for, and says so", async (version) => {
  const path = `${url}/v2/models/version-echo/versions/${version}`;
  const { inputs } = JSON.parse((await callHttp(path)).body.toString()) as {
    inputs: { name: string; datatype: string; shape: number[] }[];
  };
  const zeros = inputs.map((input) => {
    const shape = input.shape.map(Math.abs);
    return { ...input, shape, data: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 0) };
  });
  const answer = await callHttp(`${path}/infer`, { body: request(zeros) });
  expect(JSON.parse(answer.body.toString())).toMatchObject({ model_name: "version-echo", model_version: version });
  expect(answer.headers["x-lockstep-model-version"]).toBe(version);
});
