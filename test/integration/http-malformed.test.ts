import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Signature } from "../../runtime/core/tensor.ts";
import { eventually, post, RawClient, startServer, type TestServer } from "./http-fixtures.ts";

/** Stands in every body where payload data is; no answer may repeat it. */
const SECRET = "8675309";

const MODEL: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1, 3] }],
};
const TEXTS: Signature = {
  inputs: [{ name: "t", datatype: "BYTES", shape: [-1] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
};
const WIDE: Signature = {
  inputs: [
    { name: "ids", datatype: "INT64", shape: [-1] },
    { name: "mask", datatype: "BOOL", shape: [-1] },
  ],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
};

const MAX_BODY_BYTES = 2_000_000;
let server: TestServer;

beforeAll(async () => {
  server = await startServer(
    [
      { name: "m", signature: MODEL, versions: [1, 3], loading: [4] },
      { name: "texts", signature: TEXTS },
      { name: "wide", signature: WIDE },
      { name: "late", signature: MODEL, versions: [], loading: [1] },
    ],
    { limits: { maxBodyBytes: MAX_BODY_BYTES } },
  );
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** A case: what is sent, the status, and what the message says. */
type Case = readonly [name: string, bytes: string | Uint8Array, status: number, message: string | RegExp];

interface Refusal {
  readonly status: number;
  readonly error: string;
  readonly contentType: string | undefined;
  readonly repeatsPayload: boolean;
  readonly heldHandles: number;
}

async function refuse(bytes: string | Uint8Array): Promise<Refusal> {
  using client = await RawClient.open(server.port);
  client.write(bytes);
  const answer = await client.answer();
  const body = JSON.parse(answer.body) as { readonly error: string };
  return {
    status: answer.status,
    error: Object.keys(body).join(",") === "error" ? body.error : "",
    contentType: answer.headers.get("content-type"),
    repeatsPayload: client.received.includes(SECRET),
    heldHandles: server.servables.acquired - server.servables.disposed,
  };
}

const HEALTHY = { live: { live: true }, prediction: { prediction: [[0, 0, 0]] }, log: [], inFlight: 0 };

async function health(): Promise<unknown> {
  const live = await fetch(`${server.origin}/v2/health/live`);
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${server.origin}/predict/m`, { method: "POST", body: '{"input":[[1,2]]}', headers });
  const prediction = await answer.json();
  await eventually(() => server.metrics.inFlightNow === 0);
  return { live: await live.json(), prediction, log: server.log, inFlight: server.metrics.inFlightNow };
}

const TABLES: (readonly [name: string, cases: readonly Case[]])[] = [];

function table(name: string, cases: readonly Case[]): void {
  TABLES.push([name, cases]);
}

const infer = (body: string | Uint8Array, headers: readonly string[] = []): Buffer =>
  post("/v2/models/m/infer", body, headers);
const withInputs = (inputs: string, rest = ""): Buffer => infer(`{"inputs":${inputs}${rest}}`);
const input = (members: string): Buffer => withInputs(`[{${members}}]`);
const shaped = (shape: string, data = `[${SECRET},2]`): Buffer =>
  input(`"name":"x","datatype":"FP32","shape":${shape},"data":${data}`);
const data = (text: string): Buffer => shaped("[1,2]", text);
const valid = `{"name":"x","datatype":"FP32","shape":[1,2],"data":[${SECRET},2]}`;

table("bodies that are no JSON", [
  ["nothing", infer(""), 400, "request: expected an object, got the end of the body"],
  ["space", infer(" \n"), 400, "request: expected an object, got the end of the body"],
  ["text", infer(`hello ${SECRET}`), 400, "request: expected an object, got something that is not JSON"],
  ["a form", infer(`input=${SECRET}`), 400, "expected an object, got something that is not JSON"],
  ["an array", infer(`[${SECRET}]`), 400, "request: expected an object, got an array"],
  ["a string", infer(`"${SECRET}"`), 400, "request: expected an object, got a string"],
  ["a number", infer(SECRET), 400, "request: expected an object, got a number"],
  ["null", infer("null"), 400, "request: expected an object, got null"],
  [
    "cut in an object",
    infer(`{"inputs":[${valid}`),
    400,
    "expected a comma or the end of the array.*got the end of the body",
  ],
  ["cut in a key", infer('{"inp'), 400, "expected the end of a string, got the end of the body"],
  ["cut after a colon", infer('{"inputs":'), 400, "inputs: expected an array, got the end of the body"],
  ["cut in a number", data(`[1,${SECRET}.`), 400, "expected a digit at byte"],
  ["a trailing comma", infer(`{"inputs":[${valid}],}`), 400, "expected a key in double quotes at byte"],
  ["a trailing comma in data", data(`[${SECRET},2,]`), 400, "element 2: expected a number, got the end of an array"],
  ["two documents", infer(`{"inputs":[${valid}]}{}`), 400, "expected the end of the body at byte"],
  ["single quotes", infer(`{'inputs':[]}`), 400, "expected a key in double quotes at byte 1"],
  ["a key without quotes", infer(`{inputs:[]}`), 400, "expected a key in double quotes at byte 1"],
  ["a missing colon", infer(`{"inputs" []}`), 400, "expected a colon at byte"],
  ["a comment", infer(`{/* ${SECRET} */}`), 400, "expected a key in double quotes"],
  ["a byte order mark", infer('\ufeff{"inputs":[]}'), 400, "expected an object, got something that is not JSON"],
  [
    "invalid UTF-8",
    infer(Buffer.concat([Buffer.from('{"id":"'), Buffer.of(0xff), Buffer.from(`${SECRET}","inputs":[]}`)])),
    400,
    "body: expected JSON in UTF-8, got other bytes",
  ],
  ["cut UTF-8", infer(Buffer.concat([Buffer.from('{"id":"'), Buffer.of(0xe2, 0x82)])), 400, "expected JSON in UTF-8"],
  ["Latin-1", infer(Buffer.from(`{"id":"grün ${SECRET}","inputs":[]}`, "latin1")), 400, "expected JSON in UTF-8"],
  ["UTF-16", infer(Buffer.from(`{"inputs":[${valid}]}`, "utf16le")), 400, "expected a key in double quotes"],
  [
    "a control character in a string",
    infer(`{"id":"${SECRET}\n","inputs":[]}`),
    400,
    "expected control characters in strings to be escaped, got one",
  ],
  ["an unknown escape", infer(`{"id":"\\x41${SECRET}","inputs":[]}`), 400, "expected an escape such as"],
  ["half an escape", infer(`{"id":"\\u00"}`), 400, "expected an escape such as"],
  ["a leading zero", data(`[0${SECRET},2]`), 400, "expected numbers without leading zeros, got one"],
  ["a leading plus", data(`[+${SECRET},2]`), 400, "element 0: expected a number, got something that is not JSON"],
  ["a leading dot", data(`[.${SECRET},2]`), 400, "element 0: expected a number, got something that is not JSON"],
  ["a lone minus", data("[-,2]"), 400, "expected a digit at byte"],
  ["an empty exponent", data("[1e,2]"), 400, "expected a digit at byte"],
  ["hexadecimal", data("[0x10,2]"), 400, "expected a comma or the end of the array"],
  ["NUL behind", infer(`{"inputs":[${valid}]}\0`), 400, "expected the end of the body"],
  ["a key twice", infer(`{"inputs":[${valid}],"inputs":[]}`), 400, "request: expected each key once, got one again"],
  ["a key twice in an input", input(`"name":"x","name":"x"`), 400, "expected each key once, got one again"],
  [
    "a key twice in ignored data",
    infer(`{"x":{"a":1,"a":2},"inputs":[]}`),
    400,
    '"x": expected each key once, got one again',
  ],
  [
    "depth of 65",
    infer(`{"x":${"[".repeat(64)}${"]".repeat(64)}}`),
    400,
    "expected at most 64 levels of arrays and objects, got more",
  ],
  ["depth of 10,000", infer(`{"x":${"[".repeat(10_000)}`), 400, "expected at most 64 levels"],
  ["depth of 1,000,000", infer(`{"x":${"[".repeat(1_000_000)}`), 400, "expected at most 64 levels"],
  ["objects 200,000 deep", infer('{"x":'.repeat(200_000)), 400, "expected at most 64 levels"],
  ["data 10,000 deep", data("[".repeat(10_000)), 400, "expected at most 16 dimensions, got more"],
  ["data 1,000,000 deep", data("[".repeat(1_000_000)), 400, "expected at most 16 dimensions, got more"],
  ["data 17 deep", data(`${"[".repeat(17)}1${"]".repeat(17)}`), 400, "expected at most 16 dimensions, got more"],
]);

table("members of a request", [
  ["no inputs", infer("{}"), 400, String.raw`request: expected "inputs" \(an array of tensors\), got none`],
  ["inputs of null", withInputs("null"), 400, "inputs: expected an array, got null"],
  ["inputs of an object", withInputs("{}"), 400, "inputs: expected an array, got an object"],
  ["inputs of numbers", withInputs(`[${SECRET}]`), 400, String.raw`inputs\[0\]: expected an object, got a number`],
  ["inputs of arrays", withInputs(`[[${SECRET}]]`), 400, String.raw`inputs\[0\]: expected an object, got an array`],
  ["no input", withInputs("[]"), 400, String.raw`inputs: expected "x", got no "x"`],
  [
    "65 inputs",
    withInputs(`[${Array.from({ length: 65 }, () => valid).join(",")}]`),
    400,
    "inputs: expected at most 64 tensors, got more",
  ],
  ["an input twice", withInputs(`[${valid},${valid}]`), 400, String.raw`input "x": expected once, got twice`],
  [
    "an unknown input",
    withInputs(`[${valid},${valid.replace('"x"', '"z"')}]`),
    400,
    String.raw`inputs: expected "x", got "z"`,
  ],
  [
    "one of two inputs",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"mask","datatype":"BOOL","shape":[1],"data":[true]}]}`),
    400,
    String.raw`inputs: expected "ids", "mask", got no "ids"`,
  ],
  [
    "no name",
    input(`"datatype":"FP32","shape":[1,2],"data":[${SECRET},2]`),
    400,
    String.raw`inputs\[0\]: expected "name" \(a string\), got none`,
  ],
  [
    "no datatype",
    input(`"name":"x","shape":[1,2],"data":[${SECRET},2]`),
    400,
    String.raw`input "x": expected "datatype" \(a string\), got none`,
  ],
  [
    "no shape",
    input(`"name":"x","datatype":"FP32","data":[${SECRET},2]`),
    400,
    String.raw`input "x": expected "shape"`,
  ],
  ["no data", input(`"name":"x","datatype":"FP32","shape":[1,2]`), 400, String.raw`input "x": expected "data"`],
  [
    "a name of another type",
    input(`"name":${SECRET},"datatype":"FP32","shape":[1,2],"data":[1,2]`),
    400,
    String.raw`inputs\[0\].name: expected a string, got a number`,
  ],
  [
    "a datatype of another type",
    input(`"name":"x","datatype":32,"shape":[1,2],"data":[${SECRET},2]`),
    400,
    "datatype: expected a string, got a number",
  ],
  [
    "an unknown datatype",
    input(`"name":"x","datatype":"FLOAT","shape":[1,2],"data":[${SECRET},2]`),
    400,
    String.raw`datatype: expected one of BOOL, UINT8.*, got "FLOAT"`,
  ],
  [
    "a datatype in lower case",
    input(`"name":"x","datatype":"fp32","shape":[1,2],"data":[${SECRET},2]`),
    400,
    "datatype: expected one of BOOL",
  ],
  [
    "a datatype that is a property of objects",
    input(`"name":"x","datatype":"constructor","shape":[1,2],"data":[${SECRET},2]`),
    400,
    "datatype: expected one of BOOL",
  ],
  [
    "BF16",
    input(`"name":"x","datatype":"BF16","shape":[1,2],"data":[${SECRET},2]`),
    400,
    "BF16 is not supported by the engine: expected one of BOOL, .* such as FP16 or FP32",
  ],
  ["an id of another type", infer(`{"id":${SECRET},"inputs":[${valid}]}`), 400, "id: expected a string, got a number"],
  [
    "parameters of another type",
    infer(`{"parameters":[${SECRET}],"inputs":[${valid}]}`),
    400,
    "parameters: expected an object, got an array",
  ],
  [
    "a parameter that is an object",
    infer(`{"parameters":{"a":{"b":${SECRET}}},"inputs":[${valid}]}`),
    400,
    String.raw`parameters."a": expected a string, a number or a boolean, got an object`,
  ],
  [
    "a parameter that is too large",
    infer(`{"parameters":{"a":1e400},"inputs":[${valid}]}`),
    400,
    "expected numbers within the range of FP64, got one beyond",
  ],
  [
    "outputs of another type",
    withInputs(`[${valid}]`, `,"outputs":"y"`),
    400,
    "outputs: expected an array, got a string",
  ],
  [
    "outputs of strings",
    withInputs(`[${valid}]`, `,"outputs":["y"]`),
    400,
    String.raw`outputs\[0\]: expected an object, got a string`,
  ],
  [
    "an output without name",
    withInputs(`[${valid}]`, `,"outputs":[{}]`),
    400,
    String.raw`outputs\[0\]: expected "name" \(a string\), got none`,
  ],
  [
    "an unknown output",
    withInputs(`[${valid}]`, `,"outputs":[{"name":"z"}]`),
    400,
    String.raw`outputs: expected "y", got "z"`,
  ],
  [
    "an output twice",
    withInputs(`[${valid}]`, `,"outputs":[{"name":"y"},{"name":"y"}]`),
    400,
    String.raw`output "y": expected once, got twice`,
  ],
  [
    "65 outputs",
    withInputs(`[${valid}]`, `,"outputs":[${Array.from({ length: 65 }, () => '{"name":"y"}').join(",")}]`),
    400,
    "outputs: expected at most 64 tensors, got more",
  ],
  [
    "__proto__ as input",
    withInputs(`[{"__proto__":{"name":"x","datatype":"FP32","shape":[1,2],"data":[${SECRET},2]}}]`),
    400,
    String.raw`inputs\[0\]: expected "name"`,
  ],
  [
    "__proto__ as name",
    withInputs(`[{"name":"__proto__","datatype":"FP32","shape":[1,2],"data":[${SECRET},2]}]`),
    400,
    String.raw`got no "x"`,
  ],
  [
    "binary data by size",
    input(`"name":"x","datatype":"FP32","shape":[1,2],"parameters":{"binary_data_size":8}`),
    400,
    "expected the header Inference-Header-Content-Length, got none",
  ],
]);

table("shapes", [
  ["a number", shaped("2"), 400, "shape: expected an array, got a number"],
  ["null", shaped("null"), 400, "shape: expected an array, got null"],
  ["a string", shaped('"[1,2]"'), 400, "shape: expected an array, got a string"],
  ["texts", shaped('["1","2"]'), 400, String.raw`shape\[0\]: expected an integer, got a string`],
  ["nested", shaped("[[1,2]]"), 400, String.raw`shape\[0\]: expected an integer, got an array`],
  ["negative", shaped("[-1,2]"), 400, String.raw`shape\[0\]: expected an integer of 0 or more, got a negative one`],
  [
    "very negative",
    shaped("[1,-99999999999999999999]"),
    400,
    String.raw`shape\[1\]: expected an integer of 0 or more, got a negative one`,
  ],
  ["a fraction", shaped("[1,2.5]"), 400, String.raw`shape\[1\]: expected an integer, got a fraction`],
  ["an integer with an exponent", shaped("[1,2e0]"), 400, String.raw`shape\[1\]: expected an integer, got a fraction`],
  ["true", shaped("[true,2]"), 400, String.raw`shape\[0\]: expected an integer, got a boolean`],
  ["huge", shaped("[9007199254740993,2]"), 400, "expected an integer below 2\\^53, got a larger one"],
  ["1e400", shaped("[1e400,2]"), 400, "expected an integer, got a fraction"],
  [
    "a product that overflows",
    shaped("[3037000500,3037000500]"),
    400,
    String.raw`expected fewer than 2\^53 elements, got \[3037000500,3037000500\]`,
  ],
  [
    "a product that overflows 64 bits to 0",
    shaped("[4294967296,4294967296]"),
    400,
    "expected fewer than 2\\^53 elements",
  ],
  ["an overflow hidden by 0", shaped("[0,4294967296,4294967296]", "[]"), 400, "expected fewer than 2\\^53 elements"],
  [
    "more elements than memory",
    shaped("[1099511627776,2]"),
    400,
    String.raw`expected 2199023255552 elements for shape \[1099511627776,2\], got 2`,
  ],
  [
    "17 dimensions",
    shaped(`[${Array.from({ length: 17 }, () => 1).join(",")}]`),
    400,
    "expected at most 16 dimensions, got more",
  ],
  [
    "a million dimensions",
    shaped(`[${Array.from({ length: 500_000 }, () => 1).join(",")}]`),
    400,
    "expected at most 16 dimensions, got more",
  ],
  ["no rows", shaped("[0,2]", "[]"), 400, String.raw`input "x": expected a batch of 1 or more, got shape \[0,2\]`],
  [
    "too few dimensions",
    shaped("[2]"),
    400,
    String.raw`input "x": expected shape \[-1,2\], where -1 is any length, got \[2\] \(2 dimensions, not 1\)`,
  ],
  [
    "too many dimensions",
    shaped("[1,1,2]"),
    400,
    String.raw`expected shape \[-1,2\], where -1 is any length, got \[1,1,2\]`,
  ],
  ["another length", shaped("[2,1]"), 400, String.raw`expected shape \[-1,2\], where -1 is any length, got \[2,1\]`],
  ["no dimensions", shaped("[]", SECRET), 400, String.raw`got \[\] \(2 dimensions, not 0\)`],
]);

table("data", [
  [
    "too few elements",
    data(`[${SECRET}]`),
    400,
    String.raw`input "x": data: expected 2 elements for shape \[1,2\], got 1`,
  ],
  ["too many elements", data(`[${SECRET},2,3]`), 400, "expected 2 elements for shape .*, got 3"],
  ["no elements", data("[]"), 400, "expected 2 elements for shape .*, got 0"],
  [
    "100,000 too many",
    data(`[${Array.from({ length: 100_000 }, () => 1).join(",")}]`),
    400,
    "expected 2 elements for shape .*, got 100000",
  ],
  ["not an array", data(SECRET), 400, "expected 2 elements for shape .*, got 1"],
  ["null", data("null"), 400, "element 0: expected a number, got null"],
  ["an object", data(`{"b64":"${SECRET}"}`), 400, "element 0: expected a number, got an object"],
  ["a string", data(`"${SECRET}"`), 400, "element 0: expected a number, got a string"],
  ["strings", data(`["${SECRET}","2"]`), 400, "element 0: expected a number, got a string"],
  ["booleans", data("[true,false]"), 400, "element 0: expected a number, got a boolean"],
  ["null among numbers", data(`[${SECRET},null]`), 400, "element 1: expected a number, got null"],
  ["NaN", data(`[${SECRET},NaN]`), 400, "element 1: expected a number, got NaN or Infinity, which JSON does not have"],
  ["Infinity", data("[Infinity,1]"), 400, "got NaN or Infinity, which JSON does not have"],
  ["-Infinity", data("[-Infinity,1]"), 400, "got NaN or Infinity, which JSON does not have"],
  ["1e400", data("[1e400,1]"), 400, "element 0: expected a number that FP32 can hold, got one beyond its range"],
  ["1e39", data("[1,1e39]"), 400, "element 1: expected a number that FP32 can hold, got one beyond its range"],
  [
    "ragged",
    shaped("[2,2]", `[[${SECRET},2],[3]]`),
    400,
    "expected nested arrays of equal lengths and depths, got a ragged array at element 3",
  ],
  ["ragged in depth", shaped("[2,2]", `[[${SECRET},2],[[3,4]]]`), 400, "got a ragged array at element 2"],
  ["a number beside arrays", shaped("[2,2]", `[[1,2],${SECRET}]`), 400, "expected arrays beside arrays, got a number"],
  [
    "an array beside numbers",
    shaped("[2,2]", `[${SECRET},[2,3,4]]`),
    400,
    "element 1: expected a number, got an array",
  ],
  [
    "nested otherwise",
    shaped("[2,2]", `[[[${SECRET},2],[3,4]]]`),
    400,
    String.raw`one nested as the shape \[2,2\], got one nested as \[1,2,2\]`,
  ],
  [
    "transposed",
    shaped("[3,2]", `[[${SECRET},2,3],[4,5,6]]`),
    400,
    String.raw`nested as the shape \[3,2\], got one nested as \[2,3\]`,
  ],
  [
    "data of another type, before its datatype",
    input(`"data":["${SECRET}",2],"name":"x","datatype":"FP32","shape":[1,2]`),
    400,
    "element 0: expected a number, got a string",
  ],
  [
    "data that is no JSON, before its datatype",
    input(`"data":[1,,2],"name":"x","datatype":"FP32","shape":[1,2]`),
    400,
    "data: expected a JSON value, got a comma",
  ],
  [
    "another datatype than the model's",
    input(`"name":"x","datatype":"FP64","shape":[1,2],"data":[${SECRET},2]`),
    400,
    String.raw`input "x": expected datatype FP32, got FP64`,
  ],
  [
    "a fraction as INT64",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"ids","datatype":"INT64","shape":[1],"data":[${SECRET}.5]}]}`),
    400,
    "element 0: expected a number that INT64 can hold, got a fraction",
  ],
  [
    "more than INT64",
    post(
      "/v2/models/wide/infer",
      `{"inputs":[{"name":"ids","datatype":"INT64","shape":[1],"data":[9223372036854775808]}]}`,
    ),
    400,
    "that INT64 can hold, got one beyond its range",
  ],
  [
    "less than INT64",
    post(
      "/v2/models/wide/infer",
      `{"inputs":[{"name":"ids","datatype":"INT64","shape":[1],"data":[-9223372036854775809]}]}`,
    ),
    400,
    "got one beyond its range",
  ],
  [
    "1e400 as INT64",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"ids","datatype":"INT64","shape":[1],"data":[1e400]}]}`),
    400,
    "got one beyond its range",
  ],
  [
    "a negative UINT8",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"ids","datatype":"UINT8","shape":[1],"data":[-1]}]}`),
    400,
    "that UINT8 can hold, got one beyond its range",
  ],
  [
    "256 as UINT8",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"ids","datatype":"UINT8","shape":[1],"data":[256]}]}`),
    400,
    "that UINT8 can hold, got one beyond its range",
  ],
  [
    "1 as BOOL",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"mask","datatype":"BOOL","shape":[1],"data":[1]}]}`),
    400,
    "element 0: expected true or false, got a number",
  ],
  [
    "a text as BOOL",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"mask","datatype":"BOOL","shape":[1],"data":["${SECRET}"]}]}`),
    400,
    "expected true or false, got a string",
  ],
  [
    "a misspelt boolean",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"mask","datatype":"BOOL","shape":[1],"data":[tru]}]}`),
    400,
    "expected true or false, got something that is not JSON",
  ],
  [
    "65520 as FP16",
    post("/v2/models/wide/infer", `{"inputs":[{"name":"h","datatype":"FP16","shape":[1],"data":[65520]}]}`),
    400,
    "that FP16 can hold, got one beyond its range",
  ],
  [
    "a number as BYTES",
    post("/v2/models/texts/infer", `{"inputs":[{"name":"t","datatype":"BYTES","shape":[1],"data":[${SECRET}]}]}`),
    400,
    "element 0: expected a string, got a number",
  ],
  [
    "half a surrogate pair",
    post(
      "/v2/models/texts/infer",
      `{"inputs":[{"name":"t","datatype":"BYTES","shape":[1],"data":["${SECRET}\\ud800"]}]}`,
    ),
    400,
    "expected a string that UTF-8 can hold, got half of a surrogate pair",
  ],
]);

const predict = (body: string, model = "m"): Buffer => post(`/predict/${model}`, body);
table("the plain dialect", [
  ["no input", predict("{}"), 400, String.raw`expected the key "input", got none`],
  ["another key", predict(`{"inputs":[[${SECRET},2]]}`), 400, String.raw`expected only the key "input", got "inputs"`],
  ["a bare array", predict(`[[${SECRET},2]]`), 400, "request: expected an object, got an array"],
  ["ragged", predict(`{"input":[[${SECRET},2],[3]]}`), 400, "got a ragged array at element 3"],
  [
    "another length",
    predict(`{"input":[[${SECRET}]]}`),
    400,
    String.raw`input: expected shape \[-1,2\] or, for one instance, \[2\], where -1 is any length, got \[1,1\]`,
  ],
  ["another rank", predict(`{"input":${SECRET}}`), 400, String.raw`got \[\]`],
  ["another type", predict(`{"input":[["${SECRET}",2]]}`), 400, "input: element 0: expected a number, got a string"],
  [
    "a model with two inputs",
    predict(`{"input":[1]}`, "wide"),
    400,
    String.raw`expected one with a single input, got one with inputs "ids", "mask": use POST /v2/models/\{model\}/infer`,
  ],
  [
    "no model among several",
    post("/predict", `{"input":[[${SECRET},2]]}`),
    400,
    String.raw`expected /predict/\{model\}, with one of "m", "texts", "wide", "late", got none`,
  ],
]);

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`;
table("paths and methods", [
  ["an unknown path", get("/v3"), 404, "path: expected"],
  ["what is no folder", get("/index.html"), 404, "path: expected"],
  ["two slashes", get("//v2"), 404, "path: expected"],
  ["a trailing slash", get("/v2/models/m/"), 404, "path: expected"],
  ["a trailing slash on inference", post("/v2/models/m/infer/", `{"inputs":[${valid}]}`), 404, "path: expected"],
  ["two slashes on inference", post("//v2/models/m/infer", `{"inputs":[${valid}]}`), 404, "path: expected"],
  ["another case", get("/V2/health/live"), 404, "path: expected"],
  ["dots", get("/v2/models/../../etc/passwd"), 404, "path: expected"],
  ["encoded dots", get("/v2/models/%2e%2e%2fetc"), 404, "path: expected"],
  ["broken encoding", get("/v2/models/%zz"), 404, "path: expected"],
  ["broken encoding on inference", post("/v2/models/%zz/infer", "{}"), 404, "path: expected"],
  ["double encoding", post("/v2/models/%256d/infer", "{}"), 404, "path: expected"],
  ["NUL", post("/v2/models/m%00/infer", "{}"), 404, "path: expected"],
  ["a backslash", post("/v2/models/m%5cx/infer", "{}"), 404, "path: expected"],
  [
    "an unknown model",
    post("/v2/models/nobody/infer", `{"inputs":[${valid}]}`),
    404,
    "model: expected a served one, got another",
  ],
  [
    "a model that is a property of objects",
    post("/v2/models/constructor/infer", "{}"),
    404,
    "model: expected a served one, got another",
  ],
  [
    "an unknown version",
    post("/v2/models/m/versions/2/infer", `{"inputs":[${valid}]}`),
    404,
    "version: expected a served one, got another",
  ],
  ["a version that is no number", post("/v2/models/m/versions/latest/infer", "{}"), 404, "path: expected"],
  ["a negative version", post("/v2/models/m/versions/-1/infer", "{}"), 404, "path: expected"],
  ["a huge version", post("/v2/models/m/versions/99999999999999999999/infer", "{}"), 404, "path: expected"],
  ["metadata of an unknown model", get("/v2/models/nobody"), 404, "model: expected a served one, got another"],
  [
    "metadata of an unknown version",
    get("/v2/models/m/versions/2"),
    404,
    "version: expected a served one, got another",
  ],
  [
    "metadata of a version that is no number",
    get("/v2/models/m/versions/x"),
    404,
    "path: expected an integer as version",
  ],
  ["readiness of an unknown model", get("/v2/models/nobody/ready"), 404, "model: expected a served one, got another"],
  [
    "a model that is not loaded",
    post("/v2/models/late/infer", `{"inputs":[${valid}]}`),
    503,
    "expected a loaded one, got one that is not loaded yet",
  ],
  [
    "a version that is not loaded",
    post("/v2/models/m/versions/4/infer", `{"inputs":[${valid}]}`),
    503,
    "expected a loaded one, got one that is not loaded yet",
  ],
  [
    "metadata of a model that is not loaded",
    get("/v2/models/late"),
    503,
    "expected a loaded one, got one that is not loaded yet",
  ],
  ["GET on inference", get("/v2/models/m/infer"), 405, "method: expected POST, got another"],
  ["GET on the plain dialect", get("/predict"), 405, "method: expected POST, got another"],
  [
    "PUT on inference",
    post("/v2/models/m/infer", "{}").toString().replace("POST", "PUT"),
    405,
    "method: expected POST, got another",
  ],
  ["POST on metadata", post("/v2/models/m", `{"x":${SECRET}}`), 405, "method: expected GET or HEAD, got another"],
  [
    "DELETE on health",
    "DELETE /v2/health/live HTTP/1.1\r\nHost: test\r\n\r\n",
    405,
    "method: expected GET or HEAD, got another",
  ],
  [
    "OPTIONS on metrics",
    "OPTIONS /metrics HTTP/1.1\r\nHost: test\r\n\r\n",
    405,
    "method: expected GET or HEAD, got another",
  ],
  ["TRACE", "TRACE /v2 HTTP/1.1\r\nHost: test\r\n\r\n", 405, "method: expected GET or HEAD, got another"],
]);

table("heads and sizes", [
  [
    "text",
    infer(`{"inputs":[${valid}]}`, ["Content-Type: text/plain"]),
    415,
    "Content-Type: expected application/json, got another",
  ],
  [
    "octets",
    post("/predict/m", `{"input":[[1,2]]}`, ["Content-Type: application/octet-stream"]),
    415,
    "Content-Type: expected application/json, got another",
  ],
  [
    "multipart",
    infer("--x", ["Content-Type: multipart/form-data; boundary=x"]),
    415,
    "Content-Type: expected application/json, got another",
  ],
  [
    "another charset",
    infer(`{"inputs":[${valid}]}`, ["Content-Type: application/json; charset=latin1"]),
    415,
    "Content-Type: expected charset utf-8, got another",
  ],
  [
    "no gzip",
    infer("\u001f", ["Content-Encoding: gzip"]),
    400,
    "expected it to be compressed as gzip, got other bytes",
  ],
  ["no deflate", infer("x", ["Content-Encoding: deflate"]), 400, "to be compressed as deflate, got other bytes"],
  ["brotli", infer("x", ["Content-Encoding: br"]), 415, "Content-Encoding: expected gzip, deflate or identity, got"],
  ["several encodings", infer("x", ["Content-Encoding: gzip, gzip"]), 415, "expected gzip, deflate or identity, got"],
  [
    "one byte more than the limit",
    infer(Buffer.alloc(MAX_BODY_BYTES + 1, " ")),
    413,
    `body: expected at most ${MAX_BODY_BYTES} bytes, got ${MAX_BODY_BYTES + 1}`,
  ],
  [
    "an announced terabyte",
    `POST /predict/m HTTP/1.1\r\nHost: test\r\nContent-Length: 1099511627776\r\n\r\n{"inp`,
    413,
    "expected at most .* bytes, got 1099511627776",
  ],
  [
    "chunks beyond the limit",
    `POST /predict/m HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n1e8481\r\n${" ".repeat(MAX_BODY_BYTES + 1)}\r\n`,
    413,
    `body: expected at most ${MAX_BODY_BYTES} bytes, got more`,
  ],
  [
    "an unknown expectation",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nExpect: the-unexpected\r\nContent-Length: 2\r\n\r\n",
    417,
    "Expect: expected 100-continue, got another",
  ],
  [
    "too large, asked for before",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n",
    413,
    "body: expected at most",
  ],
  ["no host", "GET /v2 HTTP/1.1\r\n\r\n", 400, "Host: expected this header, got none"],
  [
    "a chunk that is none",
    `POST /predict/m HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n${SECRET}`,
    400,
    "expected HTTP/1.1 as RFC 9112 has it, got something else",
  ],
  [
    "a length that is none",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nContent-Length: 5x\r\n\r\nhello",
    400,
    "expected HTTP/1.1",
  ],
  [
    "a negative length",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nContent-Length: -5\r\n\r\nhello",
    400,
    "expected HTTP/1.1",
  ],
  [
    "two lengths",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    400,
    "expected HTTP/1.1",
  ],
  [
    "a length and chunks",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
    "expected HTTP/1.1",
  ],
  [
    "an unknown transfer encoding",
    "POST /predict/m HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    400,
    "expected HTTP/1.1",
  ],
  ["bare line feeds", "GET /v2 HTTP/1.1\nHost: test\n\n", 400, "expected HTTP/1.1"],
  ["space before a colon", "GET /v2 HTTP/1.1\r\nHost : test\r\n\r\n", 400, "expected HTTP/1.1"],
  ["a folded header", "GET /v2 HTTP/1.1\r\nHost: test\r\nX-A: 1\r\n 2\r\n\r\n", 400, "expected HTTP/1.1"],
  ["an unknown method", "BREW /v2 HTTP/1.1\r\nHost: test\r\n\r\n", 400, "expected HTTP/1.1"],
  ["an unknown protocol", "GET /v2 HTTP/9.9\r\nHost: test\r\n\r\n", 400, "expected HTTP/1.1"],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "expected HTTP/1.1"],
  ["TLS", Buffer.from("160301020001000001fc0303", "hex"), 400, "expected HTTP/1.1"],
  [
    "a long header",
    `GET /v2 HTTP/1.1\r\nHost: test\r\nX-A: ${"a".repeat(20_000)}\r\n\r\n`,
    431,
    "headers: expected at most 16 KiB, got more",
  ],
  [
    "a long path",
    `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: test\r\n\r\n`,
    431,
    "headers: expected at most 16 KiB, got more",
  ],
]);

describe.each(TABLES)("%s", (_name, cases) => {
  test.each(cases)("%s", async (_case, bytes, status, message) => {
    const refusal = await refuse(bytes);
    expect(refusal).toEqual({
      status,
      error: expect.stringMatching(message) as string,
      contentType: "application/json",
      repeatsPayload: false,
      heldHandles: 0,
    });
    expect(refusal.error).toMatch(/expected .*, got |is not supported by the engine: expected /);
  });

  test("and the server is as well as before", async () => {
    expect(await health()).toEqual(HEALTHY);
  });
});

test("a body that ends before its length is refused when the client closes its side", async () => {
  using client = await RawClient.open(server.port);
  client.socket.end('POST /predict/m HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{"input":');
  await client.closed;
  expect(client.answers().map(({ status }) => status)).toEqual([400]);
  expect(await health()).toEqual(HEALTHY);
});
