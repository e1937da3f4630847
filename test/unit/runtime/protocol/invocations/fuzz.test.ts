import { expect, test } from "vitest";
import type { Signature } from "../../../../../runtime/core/tensor.ts";
import {
  INVOCATIONS_DIALECT,
  MLFLOW_DIALECT,
  SAGEMAKER_DIALECT,
} from "../../../../../runtime/protocol/invocations/invocations-dialects.ts";
import { fuzz, servableOf } from "../dialect-harness.ts";
import { runCount } from "../../../../fixtures/run-count.ts";

const RUNS = runCount(20_000);

const CSV = { "content-type": "text/csv" };
const MATRIX: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "y", datatype: "FP32", shape: [-1] }],
};
const COLUMNS: Signature = {
  inputs: [
    { name: "id", datatype: "INT64", shape: [-1, 1] },
    { name: "text", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [
    { name: "label", datatype: "BYTES", shape: [-1] },
    { name: "score", datatype: "FP32", shape: [-1, 2] },
  ],
};
const BINARY =
  '{"inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}abcdefgh';

const TO_MATRIX = [
  { body: '{"dataframe_split":{"index":[0,1],"columns":["a","b"],"data":[[0.1,null],[-2e3,NaN]]}}' },
  { body: '{"dataframe_records":[{"a":1.5,"b":2},{"b":-Infinity,"a":16777217}],"params":{"x":1}}' },
  { body: '{"instances":[[1,2],[3,4]]}' },
  { body: '{"inputs":{"input":[[1,2]]}}' },
  { body: "a,b\r\n1.5,\r\n-2e3,16777217\r\n", headers: CSV },
];
const TO_SAGEMAKER = [
  { body: "[[1,2],[3,4]]" },
  { body: "1.5,2\n,inf\n", headers: { ...CSV, accept: "text/csv" } },
  { body: '{"id":"x","inputs":[{"name":"input","shape":[1,2],"datatype":"FP32","data":[1,2]}]}' },
  {
    body: BINARY,
    headers: { "content-type": `application/vnd.sagemaker-triton.binary+json;json-header-size=${BINARY.length - 8}` },
  },
];
const TO_COLUMNS = [
  { body: '{"dataframe_split":{"columns":["text","id"],"data":[["a",9007199254740993],[{"b64":"YQ=="},2]]}}' },
  { body: '{"dataframe_records":[{"id":1,"text":"x"},{"text":"y","id":2}]}' },
  { body: 'text,id\n"a,""b""",1\nc,2\n', headers: { ...CSV, accept: "text/csv" } },
];

test.each([
  ["mlflow, a table", MLFLOW_DIALECT, MATRIX, TO_MATRIX],
  ["mlflow, columns", MLFLOW_DIALECT, COLUMNS, TO_COLUMNS],
  ["sagemaker", SAGEMAKER_DIALECT, MATRIX, TO_SAGEMAKER],
  ["both, a table", INVOCATIONS_DIALECT, MATRIX, [...TO_MATRIX, ...TO_SAGEMAKER]],
  ["both, columns", INVOCATIONS_DIALECT, COLUMNS, TO_COLUMNS],
])("whatever is sent is read or refused: %s", (_name, dialect, signature, requests) => {
  const counts = fuzz(dialect, requests, servableOf(signature), RUNS);
  expect([...counts.keys()].filter((code) => code !== "OK" && code !== "InvalidArgument")).toEqual([]);
  expect(counts.get("OK")).toBeGreaterThan(RUNS / 100);
  expect(counts.get("InvalidArgument")).toBeGreaterThan(RUNS / 2.5);
});
