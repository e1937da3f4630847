import type { SeedRequest } from "./random-requests.ts";

/**
 * Well-formed requests of each dialect, which random ones are made of. Paths of what the server says it does not have
 * (501) are left out: unloading a model, changing settings of traces and logs, registering shared memory, `:explain`.
 */

const json = (value: unknown): string => JSON.stringify(value);
const ROWS = { name: "input", shape: [2, 3], datatype: "FP32", data: [1, 2.5, -3e2, 4, 5, 6] };
const { data: _, ...ROWS_HEAD } = ROWS;

function binary(path: string, head: unknown, ...blobs: readonly Uint8Array[]): SeedRequest {
  const text = Buffer.from(json(head));
  const headers = {
    "inference-header-content-length": String(text.length),
    "content-type": "application/octet-stream",
  };
  return { path, headers, body: Buffer.concat([text, ...blobs]) };
}

const TWO_TEXTS = Buffer.from("\u0001\0\0\0a\u0003\0\0\0bcd");

const V2_JSON: readonly SeedRequest[] = [
  {
    path: "/v2/models/rows/infer",
    body: json({ id: "7", inputs: [ROWS], outputs: [{ name: "output", parameters: { classification: 2 } }] }),
  },
  {
    path: "/v2/models/rows/versions/1/infer",
    body: json({
      inputs: [
        {
          ...ROWS,
          data: [
            [1, 2, 3],
            [4, 5, 6],
          ],
        },
      ],
    }),
  },
  {
    path: "/v2/models/identity-bytes/infer",
    body: json({ inputs: [{ name: "input", shape: [2], datatype: "BYTES", data: ["grüße", ""] }] }),
  },
  {
    path: "/v2/models/identity-int64/infer",
    body: json({ inputs: [{ name: "input", shape: [3], datatype: "INT64", data: [1, -2, 3] }] }),
  },
  {
    path: "/v2/models/running-sum/infer",
    body: json({
      parameters: { sequence_id: 9, sequence_start: true, sequence_end: true },
      inputs: [{ name: "input", shape: [1, 1], datatype: "FP32", data: [1] }],
    }),
  },
  {
    path: "/v2/models/logarithm/infer",
    body: json({
      parameters: { binary_data_output: true },
      inputs: [{ name: "input", shape: [2], datatype: "FP32", data: [0, 1] }],
    }),
  },
];

const V2_BINARY: readonly SeedRequest[] = [
  binary(
    "/v2/models/rows/infer",
    { inputs: [{ ...ROWS_HEAD, parameters: { binary_data_size: 24 } }], parameters: { binary_data_output: true } },
    Buffer.alloc(24),
  ),
  binary(
    "/v2/models/identity-bytes/infer",
    { inputs: [{ name: "input", shape: [2], datatype: "BYTES", parameters: { binary_data_size: TWO_TEXTS.length } }] },
    TWO_TEXTS,
  ),
  binary(
    "/v2/models/identity-bool/infer",
    {
      inputs: [{ name: "input", shape: [4], datatype: "BOOL", parameters: { binary_data_size: 4 } }],
      outputs: [{ name: "output", parameters: { binary_data: true } }],
    },
    Buffer.of(0, 1, 1, 0),
  ),
  { path: "/v2/models/rows/infer", headers: { "inference-header-content-length": "0" }, body: Buffer.alloc(36) },
];

const V2_REST: readonly SeedRequest[] = [
  ...[
    "",
    "/health/live",
    "/health/ready",
    "/models",
    "/models/stats",
    "/models/rows",
    "/models/rows/ready",
    "/models/rows/config",
    "/models/rows/stats",
    "/models/version-echo/versions/2/config",
    "/trace/setting",
    "/systemsharedmemory/status",
  ].map((path) => ({ path: `/v2${path}`, method: "GET" })),
  { path: "/v2/repository/index", body: '{"ready":true}' },
  { path: "/v2/repository/models/rows/load", body: "{}" },
  { path: "/v2/cudasharedmemory/unregister" },
];

const V2_STREAMS: readonly SeedRequest[] = [
  {
    path: "/v2/models/rows/infer_stream",
    headers: { "content-type": "application/x-ndjson" },
    body: `${json({ id: "1", inputs: [ROWS] })}\n${json({ id: "2", inputs: [ROWS] })}\n`,
  },
  {
    path: "/v2/models/rows/infer_stream",
    headers: { "content-type": "application/json", accept: "text/event-stream" },
    body: json({ inputs: [ROWS] }),
  },
  {
    path: "/v2/models/rows/infer_batch",
    headers: { "content-type": "application/x-ndjson" },
    body: "[1,2,3]\n[4,5,6]\n[7,8,9]\n",
  },
  { path: "/v2/models/rows/infer_batch", headers: { "content-type": "text/csv" }, body: "1,2,3\n4,5,6\n" },
];

const PREDICT: readonly SeedRequest[] = [
  { path: "/predict/rows", body: '{"input":[[1,2,3],[4,5,6]]}' },
  { path: "/predict/rows", body: '{"input":[1,2,3]}' },
  { path: "/predict/identity-bytes", body: '{"input":["a","grüße"]}' },
  { path: "/predict/cube/versions/1", body: '{"input":[[[1],[2]]]}' },
];

const V1: readonly SeedRequest[] = [
  { path: "/v1/models/rows:predict", body: '{"instances":[[1,2,3],[4,5,6]]}' },
  { path: "/v1/models/rows:predict", body: '{"inputs":[[1,2,3]]}' },
  { path: "/v1/models/identity-bytes:predict", body: '{"instances":[{"b64":"YQ=="},"b"]}' },
  {
    path: "/v1/models/identity-fp32/versions/1:predict",
    body: '{"signature_name":"serving_default","instances":[1,NaN,-Infinity]}',
  },
  {
    path: "/v1/models/rows:predict",
    headers: { "ce-id": "1", "ce-source": "me", "ce-type": "t", "ce-specversion": "1.0" },
    body: '{"instances":[[1,2,3]]}',
  },
  { path: "/v1/models", method: "GET" },
  { path: "/v1/models/rows", method: "GET" },
];

const TENSORFLOW: readonly SeedRequest[] = [
  { path: "/v1/models/version-echo/labels/stable:predict", body: '{"instances":[[1]]}' },
  { path: "/v1/models/rows:regress", body: '{"examples":[{"input":[1,2,3]}]}' },
  { path: "/v1/models/rows:classify", body: '{"context":{"input":[1,2,3]},"examples":[{}, {"input":[4,5,6]}]}' },
  { path: "/v1/models/running-sum:predict", body: '{"inputs":{"input":[[1]],"total":[[2]]}}' },
  { path: "/v1/models/rows/versions/1:predict", body: '{"inputs":{"input":[[1,2,3]]}}' },
  { path: "/v1/models/rows/metadata", method: "GET" },
  { path: "/v1/models/rows/versions/1/metadata", method: "GET" },
];

const target = (model: string): Record<string, string> => ({ "x-amzn-sagemaker-target-model": model });

const SAGEMAKER: readonly SeedRequest[] = [
  {
    path: "/invocations",
    headers: { ...target("rows"), "content-type": "application/json" },
    body: '{"instances":[[1,2,3]]}',
  },
  { path: "/invocations", headers: { ...target("rows"), "content-type": "text/csv" }, body: "1,2,3\n4,5,6\n" },
  {
    path: "/invocations",
    headers: { ...target("rows"), "content-type": "application/json" },
    body: json({ inputs: [ROWS] }),
  },
  { path: "/invocations", headers: { ...target("rows.tar.gz"), accept: "text/csv" }, body: "[[1,2,3]]" },
  { path: "/ping", method: "GET" },
];

const MLFLOW: readonly SeedRequest[] = [
  {
    path: "/invocations",
    headers: target("rows"),
    body: '{"dataframe_split":{"columns":["a","b","c"],"data":[[1,2,3],[4,5,6]]}}',
  },
  {
    path: "/invocations",
    headers: target("rows"),
    body: '{"dataframe_records":[{"a":1,"b":2,"c":3}],"params":{"x":1}}',
  },
  { path: "/invocations", headers: target("rows"), body: '{"inputs":{"input":[[1,2,3]]}}' },
  { path: "/invocations", headers: { ...target("rows"), "content-type": "text/csv" }, body: "a,b,c\n1,2,3\n" },
  { path: "/version", method: "GET" },
  { path: "/health", method: "GET" },
];

export const SEEDS: Readonly<Record<string, readonly SeedRequest[]>> = {
  "v2, JSON": V2_JSON,
  "v2, binary": V2_BINARY,
  "v2, beside inference": V2_REST,
  "v2, streams and batches": V2_STREAMS,
  predict: PREDICT,
  "KServe V1": V1,
  "TensorFlow Serving": TENSORFLOW,
  SageMaker: SAGEMAKER,
  MLflow: MLFLOW,
};
