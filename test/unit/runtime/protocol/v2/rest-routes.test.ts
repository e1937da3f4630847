import { describe, expect, test } from "vitest";
import type { ModelExecution, ServableHandle, Servables } from "../../../../../runtime/core/servable.ts";
import type { Signature } from "../../../../../runtime/core/tensor.ts";
import { ServingError } from "../../../../../runtime/errors.ts";
import { ModelStatistics } from "../../../../../runtime/monitoring/model-statistics.ts";
import type { RestContext } from "../../../../../runtime/protocol/rest-route.ts";
import { V2_REST_ROUTES } from "../../../../../runtime/protocol/v2/rest-routes.ts";

const BATCHED: Signature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1, 4] },
    { name: "t", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [{ name: "y", datatype: "INT64", shape: [-1] }],
};

interface Served {
  readonly signature?: Signature;
  readonly execution?: Partial<ModelExecution>;
  readonly state?: ServableHandle["state"];
  readonly isLoading?: boolean;
}

/** A context with one model, `m`, with version 2 loaded and 1 not. */
function context({ signature = BATCHED, execution, state = [], isLoading = false }: Served = {}): RestContext & {
  readonly statistics: ModelStatistics;
} {
  const servables: Servables = {
    acquire: (name, version = 2) => {
      if (name !== "m" || version > 2) throw new ServingError("NotFound", "no such version");
      if (version !== 2 || isLoading) throw new ServingError("Unavailable", "not loaded");
      return {
        id: { name, version },
        digest: "sha256:0a",
        signature,
        state,
        model: {
          signature,
          execution: () => ({
            placement: "Worker",
            instances: 2,
            intraOpThreads: 1,
            batching: undefined,
            ...execution,
          }),
          infer: () => Promise.reject(new Error("nobody infers here")),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        },
        [Symbol.dispose]: () => undefined,
      };
    },
    versionOf: () => 2,
    models: () => [
      {
        name: "m",
        platform: "onnx_onnxv1",
        availableVersions: isLoading ? [] : [2],
        activeVersion: isLoading ? undefined : 2,
        versions: isLoading
          ? []
          : [
              { version: 1, state: "LOADING", reason: "" },
              { version: 2, state: "READY", reason: "" },
            ],
        labels: {},
      },
    ],
    isReady: () => !isLoading,
  };
  return {
    servables,
    statistics: new ModelStatistics(),
    isReady: () => !isLoading,
    isDraining: () => false,
    release: "1.2.3",
    protocols: new Set(["v2"]),
  };
}

/** The route that matches, with its variables: words count more than variables, as they come first. */
function routeOf(
  method: string,
  path: string,
): { answer: (typeof V2_REST_ROUTES)[number]["answer"]; params: Record<string, string> } {
  const segments = path.split("/");
  for (const route of V2_REST_ROUTES) {
    const pattern = route.path.split("/");
    if (route.method !== method || pattern.length !== segments.length) continue;
    if (!pattern.every((part, index) => part.startsWith(":") || part === segments[index])) continue;
    const variables = pattern.flatMap((part, index) =>
      part.startsWith(":") ? [[part.slice(1), segments[index] ?? ""]] : [],
    );
    return { answer: route.answer, params: Object.fromEntries(variables) as Record<string, string> };
  }
  throw new Error(`no route for ${method} ${path}`);
}

async function call(request: string, given: RestContext = context(), body = ""): Promise<unknown> {
  const [method = "", path = ""] = request.split(" ");
  const { answer, params } = routeOf(method, path);
  const result = await answer({ params, body: Buffer.from(body) }, given);
  expect(result.status).toBe(200);
  return result.body === "" ? "" : JSON.parse(String(result.body));
}

test("the server's metadata names the extensions that clients look for", async () => {
  expect(await call("GET /v2")).toEqual({
    name: "lockstep",
    version: "1.2.3",
    extensions: [
      "binary_tensor_data",
      "classification",
      "model_configuration",
      "model_repository",
      "parameters",
      "schedule_policy",
      "sequence",
      "statistics",
    ],
  });
});

test("a model's metadata tells how it is run", async () => {
  const execution = { batching: { maxBatchSize: 64, bestBatchSize: 8 } };
  expect(await call("GET /v2/models/m/versions/2", context({ execution }))).toEqual({
    name: "m",
    versions: ["2"],
    platform: "onnx_onnxv1",
    inputs: BATCHED.inputs,
    outputs: BATCHED.outputs,
    properties: {
      digest: "sha256:0a",
      placement: "Worker",
      instances: "2",
      intra_op_threads: "1",
      max_batch_size: "64",
      best_batch_size: "8",
    },
  });
});

describe("the configuration", () => {
  const input = { format: "FORMAT_NONE", is_shape_tensor: false, allow_ragged_batch: false, optional: false };
  const output = { label_filename: "", is_shape_tensor: false };

  test("of a model whose requests are run together has shapes without the batch dimension", async () => {
    const execution = { batching: { maxBatchSize: 64, bestBatchSize: 8 } };
    expect(await call("GET /v2/models/m/config", context({ execution }))).toMatchObject({
      name: "m",
      max_batch_size: 64,
      input: [
        { name: "x", data_type: "TYPE_FP32", dims: [4], ...input },
        { name: "t", data_type: "TYPE_STRING", dims: [1], reshape: { shape: [] }, ...input },
      ],
      output: [{ name: "y", data_type: "TYPE_INT64", dims: [1], reshape: { shape: [] }, ...output }],
      version_policy: { specific: { versions: [2] } },
      instance_group: [{ name: "m_0", kind: "KIND_CPU", count: 2 }],
      dynamic_batching: { preferred_batch_size: [8] },
      model_transaction_policy: { decoupled: false },
      parameters: { placement: { string_value: "Worker" } },
    });
  });

  test("of another model has whole shapes, and no batching", async () => {
    const config = await call("GET /v2/models/m/versions/2/config");
    expect(config).toMatchObject({
      max_batch_size: 0,
      input: [{ dims: [-1, 4] }, { dims: [-1] }],
      output: [{ dims: [-1] }],
    });
    expect(config).not.toHaveProperty("dynamic_batching");
  });

  test("of a model whose outputs have no batch dimension says so too", async () => {
    const signature: Signature = { ...BATCHED, outputs: [{ name: "y", datatype: "FP32", shape: [3] }] };
    const execution = { batching: { maxBatchSize: 64, bestBatchSize: 8 } };
    expect(await call("GET /v2/models/m/config", context({ signature, execution }))).toMatchObject({
      max_batch_size: 0,
      output: [{ dims: [3] }],
    });
  });

  test("of a model with state has its bindings, and the state's input may be missing", async () => {
    const signature: Signature = {
      inputs: [
        { name: "x", datatype: "FP32", shape: [-1, 4] },
        { name: "s", datatype: "FP32", shape: [2, -1, 8] },
      ],
      outputs: [
        { name: "y", datatype: "FP32", shape: [-1, 1] },
        { name: "sN", datatype: "FP32", shape: [2, -1, 8] },
      ],
    };
    const config = await call("GET /v2/models/m/config", context({ signature, state: [{ input: "s", output: "sN" }] }));
    expect(config).toMatchObject({
      input: [
        { name: "x", optional: false },
        { name: "s", optional: true, dims: [2, -1, 8] },
      ],
      sequence_batching: {
        state: [{ input_name: "s", output_name: "sN", data_type: "TYPE_FP32", dims: [2, -1, 8] }],
      },
    });
    expect(config).not.toHaveProperty("dynamic_batching");
  });
});

describe("statistics", () => {
  test.each(["GET /v2/models/stats", "GET /v2/models/m/stats", "GET /v2/models/m/versions/2/stats"])(
    "%s: rows, runs and times",
    async (request) => {
      const given = context();
      const id = { name: "m", version: 2 };
      const times = { queueMs: 1, decodeMs: 0.25, computeMs: 2, encodeMs: 0.5 };
      given.statistics.observeInference(id, { ok: true, totalMs: 4, rows: 3, ...times }, 1_700_000_000_000);
      given.statistics.observeInference(id, { ok: false, totalMs: 1 }, 1_700_000_000_001);
      given.statistics.observeRun(id, { rows: 3, computeMs: 2 });
      expect(await call(request, given)).toEqual({
        model_stats: [
          {
            name: "m",
            version: "2",
            last_inference: 1_700_000_000_000,
            inference_count: 3,
            execution_count: 1,
            inference_stats: {
              success: { count: 1, ns: 4_000_000 },
              fail: { count: 1, ns: 1_000_000 },
              queue: { count: 1, ns: 1_000_000 },
              compute_input: { count: 1, ns: 250_000 },
              compute_infer: { count: 1, ns: 2_000_000 },
              compute_output: { count: 1, ns: 500_000 },
              cache_hit: { count: 0, ns: 0 },
              cache_miss: { count: 0, ns: 0 },
            },
            batch_stats: [
              {
                batch_size: 3,
                compute_input: { count: 0, ns: 0 },
                compute_infer: { count: 1, ns: 2_000_000 },
                compute_output: { count: 0, ns: 0 },
              },
            ],
          },
        ],
      });
    },
  );

  test("of a version that nobody has asked are zero", async () => {
    expect(await call("GET /v2/models/m/stats")).toMatchObject({
      model_stats: [{ version: "2", inference_count: 0, execution_count: 0, batch_stats: [] }],
    });
  });

  test.each([
    ["GET /v2/models/other/stats", "NotFound"],
    ["GET /v2/models/m/versions/9/stats", "NotFound"],
    ["GET /v2/models/m/versions/x/stats", "NotFound"],
    ["GET /v2/models/m/versions/1/stats", "Unavailable"],
  ])("%s: %s", async (request, code) => {
    await expect(call(request)).rejects.toMatchObject({ code });
  });
});

describe("the repository", () => {
  const all = [
    { name: "m", version: "1", state: "LOADING", reason: "" },
    { name: "m", version: "2", state: "READY", reason: "" },
  ];

  test.each([
    ["", all],
    ["{}", all],
    ['{"ready":false}', all],
    ['{"ready":true}', all.slice(1)],
  ])("index with the body %j", async (body, expected) => {
    expect(await call("POST /v2/repository/index", context(), body)).toEqual(expected);
  });

  test("index of a model of which no version is known", async () => {
    expect(await call("POST /v2/repository/index", context({ isLoading: true }))).toEqual([
      { name: "m", state: "UNAVAILABLE", reason: "no version is known yet" },
    ]);
  });

  test("to load what is loaded changes nothing", async () => {
    expect(await call("POST /v2/repository/models/m/load")).toBe("");
    expect(await call("POST /v2/repository/models/m/load", context(), '{"parameters":{}}')).toBe("");
  });

  test.each([
    ["POST /v2/repository/models/other/load", "", "NotFound"],
    ["POST /v2/repository/models/m/load", '{"parameters":{"config":"{}"}}', "Unimplemented"],
    ["POST /v2/repository/models/m/load", '{"parameters":1}', "InvalidArgument"],
    ["POST /v2/repository/models/m/load", "[]", "InvalidArgument"],
    ["POST /v2/repository/models/m/load", "{", "InvalidArgument"],
    ["POST /v2/repository/models/m/unload", "", "Unimplemented"],
    ["POST /v2/repository/models/other/unload", "", "NotFound"],
    ["POST /v2/repository/index", '{"ready":1}', "InvalidArgument"],
    ["POST /v2/repository/another/index", "", "NotFound"],
  ])("%s %j: %s", async (request, body, code) => {
    await expect(call(request, context(), body)).rejects.toMatchObject({ code });
  });

  test("what is being loaded cannot be loaded by a request", async () => {
    await expect(call("POST /v2/repository/models/m/load", context({ isLoading: true }))).rejects.toMatchObject({
      code: "Unavailable",
    });
  });
});

describe("what clients ask about although it is not there", () => {
  test.each([
    ["GET /v2/trace/setting", expect.objectContaining({ trace_level: ["OFF"] })],
    ["GET /v2/models/m/trace/setting", expect.objectContaining({ trace_level: ["OFF"] })],
    ["GET /v2/systemsharedmemory/status", []],
    ["GET /v2/cudasharedmemory/status", []],
    ["POST /v2/systemsharedmemory/unregister", ""],
    ["POST /v2/cudasharedmemory/region/r/unregister", ""],
  ])("%s", async (request, expected) => {
    expect(await call(request)).toEqual(expected);
  });

  test.each([
    ["POST /v2/systemsharedmemory/region/r/register", "Unimplemented"],
    ["POST /v2/cudasharedmemory/region/r/register", "Unimplemented"],
    ["GET /v2/systemsharedmemory/region/r/status", "NotFound"],
    ["POST /v2/trace/setting", "Unimplemented"],
    ["POST /v2/models/m/trace/setting", "Unimplemented"],
    ["GET /v2/models/other/trace/setting", "NotFound"],
    ["GET /v2/logging", "Unimplemented"],
    ["POST /v2/logging", "Unimplemented"],
  ])("%s: %s", async (request, code) => {
    await expect(call(request)).rejects.toMatchObject({ code });
  });
});
