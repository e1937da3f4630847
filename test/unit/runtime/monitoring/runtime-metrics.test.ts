import { describe, expect, onTestFinished, test } from "vitest";
import type { ServableId } from "../../../../runtime/core/servable.ts";
import { ReplicaFailureError } from "../../../../runtime/errors.ts";
import { RUNTIME_METRICS, type MetricSpec } from "../../../../runtime/monitoring/metric-table.ts";
import { ModelStatistics } from "../../../../runtime/monitoring/model-statistics.ts";
import { RuntimeMetrics } from "../../../../runtime/monitoring/runtime-metrics.ts";

const ID: ServableId = { name: "digits", version: 2 };

function setUp(): RuntimeMetrics {
  const metrics = new RuntimeMetrics({
    models: ["digits"],
    build: { version: "1.2.3", node: "26.0.0", onnxruntime: "1.30.0" },
  });
  onTestFinished(() => metrics[Symbol.dispose]());
  return metrics;
}

/** The value of a series, written as it is on the page; undefined if there is none. */
async function valueOf(metrics: RuntimeMetrics, series: string): Promise<number | undefined> {
  const { body } = await metrics.render();
  const line = body.split("\n").find((candidate) => candidate.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

function makeAvailable(metrics: RuntimeMetrics): void {
  metrics.observeManager({ kind: "loading", id: ID, modelFile: "/m/model.onnx", sizeBytes: 21_020, fetchMs: 5 });
  metrics.observeManager({ kind: "available", id: ID, digest: "sha256:ab", totalMs: 250 });
}

describe("the table", () => {
  const specs: MetricSpec[] = Object.values(RUNTIME_METRICS);

  test("is what the page describes", async () => {
    const { body, contentType } = await setUp().render();
    expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/);
    const described = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }));
    expect(described).toHaveLength(specs.length);
    expect(described).toEqual(expect.arrayContaining(specs.map(({ name, type }) => ({ name, type }))));
  });

  test.each(specs)("$name follows the conventions", (spec) => {
    expect(spec.name).toMatch(/^(lockstep|process|nodejs)_[a-z_]+$/);
    expect(spec.name.endsWith("_total")).toBe(spec.type === "counter");
    expect(spec.help).toMatch(/\.$/);
    expect(spec.buckets ?? []).toHaveLength(Math.min(10, spec.buckets?.length ?? 0));
    expect(spec.buckets !== undefined).toBe(spec.type === "histogram");
  });
});

describe("requests", () => {
  test("are counted and timed by model, version, protocol and outcome", async () => {
    const metrics = setUp();
    makeAvailable(metrics);
    metrics.observeRequest({ model: "digits", version: 2, protocol: "v2", code: "OK", durationMs: 3 });
    metrics.observeRequest({ model: "digits", version: 2, protocol: "v2", code: "OK", durationMs: 20_000 });
    metrics.observeRequest({ model: "digits", version: 2, protocol: "v2", code: "InvalidArgument", durationMs: 1 });
    const labels = 'model="digits",version="2",protocol="v2"';
    expect(await valueOf(metrics, `lockstep_requests_total{${labels},code="OK"}`)).toBe(2);
    expect(await valueOf(metrics, `lockstep_requests_total{${labels},code="InvalidArgument"}`)).toBe(1);
    expect(await valueOf(metrics, `lockstep_request_duration_seconds_bucket{le="0.005",${labels}}`)).toBe(2);
    expect(await valueOf(metrics, `lockstep_request_duration_seconds_count{${labels}}`)).toBe(3);
    expect(await valueOf(metrics, `lockstep_request_duration_seconds_sum{${labels}}`)).toBeCloseTo(20.004);
  });

  test("are counted from zero for a version that is available", async () => {
    const metrics = setUp();
    const series = 'lockstep_requests_total{model="digits",version="2",protocol="v2",code="OK"}';
    expect(await valueOf(metrics, series)).toBeUndefined();
    makeAvailable(metrics);
    expect(await valueOf(metrics, series)).toBe(0);
  });

  test("for what is not served make no series of their own", async () => {
    const metrics = setUp();
    makeAvailable(metrics);
    for (let index = 0; index < 100; index++)
      metrics.observeRequest({ model: `x${index}`, version: index, protocol: "v2", code: "NotFound", durationMs: 1 });
    metrics.observeRequest({ model: "digits", version: 77, protocol: "v2", code: "NotFound", durationMs: 1 });
    const unknown = 'lockstep_requests_total{model="_unknown",version="",protocol="v2",code="NotFound"}';
    expect(await valueOf(metrics, unknown)).toBe(100);
    const version = 'lockstep_requests_total{model="digits",version="",protocol="v2",code="NotFound"}';
    expect(await valueOf(metrics, version)).toBe(1);
    expect((await metrics.render()).body).not.toContain("x1");
  });

  test("in flight go up and down", async () => {
    const metrics = setUp();
    metrics.inFlight.inc();
    metrics.inFlight.inc();
    metrics.inFlight.dec();
    expect(await valueOf(metrics, "lockstep_requests_in_flight")).toBe(1);
  });
});

describe("models", () => {
  const labels = 'model="digits",version="2"';

  test("that answer are told, with their digest, size and load time", async () => {
    const metrics = setUp();
    makeAvailable(metrics);
    expect(await valueOf(metrics, `lockstep_model_info{${labels},digest="sha256:ab"}`)).toBe(1);
    expect(await valueOf(metrics, `lockstep_model_load_seconds{${labels}}`)).toBe(0.25);
    expect(await valueOf(metrics, `lockstep_model_size_bytes{${labels}}`)).toBe(21_020);
    metrics.observeManager({ kind: "ran", id: ID, computeMs: 2, rows: 1 });
    expect(await valueOf(metrics, `lockstep_inference_compute_seconds_sum{${labels}}`)).toBeCloseTo(0.002);
  });

  test("tell how many rows they run at a time", async () => {
    const metrics = setUp();
    makeAvailable(metrics);
    for (const rows of [1, 1, 30, 5000]) metrics.observeManager({ kind: "ran", id: ID, computeMs: 2, rows });
    expect(await valueOf(metrics, `lockstep_batch_size_bucket{le="1",${labels}}`)).toBe(2);
    expect(await valueOf(metrics, `lockstep_batch_size_bucket{le="32",${labels}}`)).toBe(3);
    expect(await valueOf(metrics, `lockstep_batch_size_count{${labels}}`)).toBe(4);
    expect(await valueOf(metrics, `lockstep_batch_size_sum{${labels}}`)).toBe(5032);
    expect(await valueOf(metrics, `lockstep_inference_compute_seconds_count{${labels}}`)).toBe(4);
  });

  test("tell where the time of requests goes that they have answered", async () => {
    const metrics = setUp();
    const statistics = new ModelStatistics(metrics);
    const answered = { ok: true, totalMs: 9, rows: 1, queueMs: 3, decodeMs: 1, computeMs: 2, encodeMs: 0.5 } as const;
    // Nobody serves it yet: there is no series for it.
    statistics.observeInference(ID, answered, 0);
    makeAvailable(metrics);
    statistics.observeInference(ID, answered, 0);
    statistics.observeInference(ID, answered, 0);
    statistics.observeInference(ID, { ok: false, totalMs: 9 }, 0);
    statistics.observeInference({ name: "stranger", version: 1 }, answered, 0);
    expect(await valueOf(metrics, `lockstep_inference_queue_seconds_count{${labels}}`)).toBe(2);
    expect(await valueOf(metrics, `lockstep_inference_queue_seconds_sum{${labels}}`)).toBeCloseTo(0.006);
    const codec = (direction: string): string => `lockstep_codec_seconds_sum{${labels},direction="${direction}"}`;
    expect(await valueOf(metrics, codec("decode"))).toBeCloseTo(0.002);
    expect(await valueOf(metrics, codec("encode"))).toBeCloseTo(0.001);
    expect((await metrics.render()).body).not.toContain("stranger");
    expect(statistics.of(ID)).toMatchObject({ success: { count: 3 }, fail: { count: 1 } });
  });

  test("that are unloaded, or crash, are not told any more; what they counted stays", async () => {
    for (const end of ["unloading", "failed"] as const) {
      const metrics = setUp();
      makeAvailable(metrics);
      metrics.observeManager({ kind: "ran", id: ID, computeMs: 2, rows: 1 });
      const error = new ReplicaFailureError("OutOfMemory", "no memory");
      const failure = { reason: error.reason, message: error.message, count: 1, retryAtMs: 0 };
      metrics.observeManager(
        end === "unloading"
          ? { kind: "unloading", id: ID, handles: 0 }
          : { kind: "failed", model: "digits", version: 2, failure, retryInMs: 0, error },
      );
      expect(await valueOf(metrics, `lockstep_model_info{${labels},digest="sha256:ab"}`)).toBeUndefined();
      expect(await valueOf(metrics, `lockstep_model_load_seconds{${labels}}`)).toBeUndefined();
      expect(await valueOf(metrics, `lockstep_inference_compute_seconds_count{${labels}}`)).toBe(1);
      const failures = await valueOf(metrics, 'lockstep_model_failures_total{model="digits",reason="OutOfMemory"}');
      expect(failures).toBe(end === "failed" ? 1 : undefined);
    }
  });
});

describe("the process", () => {
  test("tells its memory, its CPU time and how late its event loop is", async () => {
    const metrics = setUp();
    metrics.setReady(true);
    expect(await valueOf(metrics, "lockstep_replica_ready")).toBe(1);
    metrics.setReady(false);
    expect(await valueOf(metrics, "lockstep_replica_ready")).toBe(0);
    expect(await valueOf(metrics, "process_resident_memory_bytes")).toBeGreaterThan(1e6);
    const cpuSeconds = (await valueOf(metrics, "process_cpu_seconds_total")) ?? 0;
    expect(cpuSeconds).toBeGreaterThan(0);
    // It is the process's own sum, not added up by each scrape.
    expect(await valueOf(metrics, "process_cpu_seconds_total")).toBeLessThan(cpuSeconds * 1.9 + 1);
    expect(await valueOf(metrics, 'lockstep_event_loop_delay_seconds{quantile="0.99"}')).toBeGreaterThanOrEqual(0);
    const build = 'lockstep_build_info{version="1.2.3",node="26.0.0",onnxruntime="1.30.0"}';
    expect(await valueOf(metrics, build)).toBe(1);
  });
});

describe("in OpenMetrics", () => {
  async function openPage(metrics: RuntimeMetrics): Promise<string> {
    const page = await metrics.render("application/openmetrics-text; version=1.0.0");
    expect(page.contentType).toBe("application/openmetrics-text; version=1.0.0; charset=utf-8");
    return page.body;
  }

  test("counters are called without their suffix, and the page has an end", async () => {
    const metrics = setUp();
    makeAvailable(metrics);
    const body = await openPage(metrics);
    expect(body).toMatch(/\n# EOF\n$/);
    expect(body.match(/# EOF/g)).toHaveLength(1);
    expect(body).toContain("# TYPE lockstep_requests counter\n");
    expect(body).not.toMatch(/^# (TYPE|HELP) \S+_total /m);
    expect(body).toContain('lockstep_requests_total{model="digits",version="2",protocol="v2",code="OK"} 0\n');
  });

  test("buckets have the latest trace that fell into them", async () => {
    const metrics = setUp();
    makeAvailable(metrics);
    const request = { model: "digits", version: 2, protocol: "v2", code: "OK", durationMs: 3 } as const;
    metrics.observeRequest(request, "1".repeat(32));
    metrics.observeRequest(request, "2".repeat(32));
    metrics.observeRequest(request);
    metrics.observeRequest({ ...request, durationMs: 70 });
    const exemplars = (await openPage(metrics)).split("\n").filter((line) => line.includes("trace_id"));
    expect(exemplars).toHaveLength(1);
    expect(exemplars[0]).toMatch(
      /^lockstep_request_duration_seconds_bucket\{le="0.005",.*\} 3 # \{trace_id="2{32}"\} 0.003 \d+(\.\d+)?$/,
    );
    expect((await metrics.render()).body).not.toContain("trace_id");
  });
});

describe("series of versions", () => {
  test("are kept for some that were unloaded, and forgotten for those before", async () => {
    const metrics = setUp();
    const countOf = async (version: number): Promise<number> =>
      (await metrics.render()).body.split("\n").filter((line) => line.includes(`version="${version}"`)).length;
    for (let version = 1; version <= 40; version++) {
      const id = { name: "digits", version };
      metrics.observeManager({ kind: "loading", id, modelFile: "model.onnx", sizeBytes: 1, fetchMs: 1 });
      metrics.observeManager({ kind: "available", id, digest: "sha256:ab", totalMs: 1 });
      metrics.observeManager({ kind: "ran", id, rows: 1, computeMs: 1 });
      metrics.observeRequest({ model: "digits", version, protocol: "v2", code: "OK", durationMs: 1 });
      metrics.observeRequest({ model: "digits", version, protocol: "grpc", code: "Internal", durationMs: 1 });
      metrics.observeManager({ kind: "unloading", id, handles: 0 });
      metrics.observeManager({ kind: "unloaded", id });
    }
    expect(await countOf(24)).toBe(0);
    expect(await countOf(25)).toBeGreaterThan(0);
    expect(await countOf(40)).toBeGreaterThan(0);
    const versions = metrics.modelSums()[0]?.requests.map(({ version }) => version);
    expect(versions).toEqual(Array.from({ length: 16 }, (_, index) => 25 + index));
  });

  test("tell how much memory a load took, while the version is there", async () => {
    const metrics = setUp();
    const series = 'lockstep_model_load_memory_bytes{model="digits",version="2"}';
    makeAvailable(metrics);
    expect(await valueOf(metrics, series)).toBeGreaterThanOrEqual(0);
    metrics.observeManager({ kind: "unloading", id: ID, handles: 0 });
    expect(await valueOf(metrics, series)).toBeUndefined();
  });
});

test("tells the state of a gate", async () => {
  const metrics = setUp();
  const last = { term: 1, number: 1 };
  const stateOf = async (): Promise<string[]> =>
    [...(await metrics.render()).body.matchAll(/^lockstep_gate\{model="digits",state="(\w+)"\} 1$/gm)].map(
      ([, state = ""]) => state,
    );
  metrics.observeGate("digits", { kind: "Unjoined", last }, undefined);
  expect(await stateOf()).toEqual(["Unjoined"]);
  metrics.observeGate("digits", { kind: "Unsure", last, epoch: 3, serving: undefined }, 12);
  expect(await stateOf()).toEqual(["Unsure"]);
  expect(await valueOf(metrics, 'lockstep_epoch{model="digits"}')).toBe(0);
});

test("counts answers, calls and spans by what became of them", async () => {
  const metrics = setUp();
  metrics.observeHttpAnswer(200);
  metrics.observeHttpAnswer(200);
  metrics.observeHttpAnswer(undefined);
  metrics.observeGrpcCall("OK");
  metrics.observeSpans("dropped", 5);
  metrics.observeDrop("http");
  expect(await valueOf(metrics, 'lockstep_http_answers_total{code="200"}')).toBe(2);
  expect(await valueOf(metrics, "lockstep_http_unanswered_total")).toBe(1);
  expect(await valueOf(metrics, 'lockstep_grpc_calls_total{code="OK"}')).toBe(1);
  expect(await valueOf(metrics, 'lockstep_trace_spans_total{outcome="dropped"}')).toBe(5);
  expect(await valueOf(metrics, 'lockstep_connections_dropped_total{protocol="http"}')).toBe(1);
});
