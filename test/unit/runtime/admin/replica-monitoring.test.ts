import { describe, expect, onTestFinished, test } from "vitest";
import {
  DURATION_BOUNDS_SECONDS,
  parseReplicaMonitoring,
  type ReplicaDrift,
} from "../../../../common/monitoring-api.ts";
import { replicaMonitoringOf, type MonitoringSources } from "../../../../runtime/admin/replica-monitoring.ts";
import { RuntimeMetrics } from "../../../../runtime/monitoring/runtime-metrics.ts";

const BINS = DURATION_BOUNDS_SECONDS.length + 1;

function setUp(): RuntimeMetrics {
  const metrics = new RuntimeMetrics({
    models: ["digits", "iris"],
    build: { version: "1.2.3", node: "26.0.0", onnxruntime: "1.30.0" },
  });
  onTestFinished(() => metrics[Symbol.dispose]());
  return metrics;
}

function load(metrics: RuntimeMetrics, version: number): void {
  metrics.observeManager({
    kind: "available",
    id: { name: "digits", version },
    digest: `sha256:${version}`,
    totalMs: 1,
  });
}

function reportOf(metrics: RuntimeMetrics, sources: Partial<MonitoringSources> = {}, loaded: readonly number[] = [2]) {
  const versions = loaded.map((version) => ({
    version,
    state: { kind: "ready" } as const,
    digest: `sha256:${version}`,
    sizeBytes: 1,
  }));
  const all = { instance: "a", models: metrics.modelSums(), descriptions: [{ name: "digits", versions }], ...sources };
  // What the operator reads must be what was told.
  const report = replicaMonitoringOf(all, 1_000.5);
  expect(parseReplicaMonitoring(JSON.parse(JSON.stringify(report)))).toEqual(report);
  return report;
}

describe("a report", () => {
  test("has every model from the start, and its versions as soon as they answer", () => {
    const metrics = setUp();
    expect(reportOf(metrics, {}, [])).toEqual({
      instance: "a",
      takenAtMs: 1_000.5,
      models: [
        { name: "digits", inFlight: 0, versions: [], strayOutcomes: [] },
        { name: "iris", inFlight: 0, versions: [], strayOutcomes: [] },
      ],
    });
    load(metrics, 2);
    expect(reportOf(metrics).models[0]?.versions).toEqual([
      {
        version: 2,
        digest: "sha256:2",
        requests: {},
        duration: { counts: Array.from({ length: BINS }, () => 0), sumSeconds: 0 },
        rows: 0,
        queueSeconds: 0,
        computeSeconds: 0,
        drift: { state: "Off" },
      },
    ]);
  });

  test("sums requests of all protocols by outcome, and puts each duration in the bin of its bound", () => {
    const metrics = setUp();
    load(metrics, 2);
    const request = { model: "digits", version: 2, durationMs: 1 } as const;
    metrics.observeRequest({ ...request, protocol: "v2", code: "OK" });
    metrics.observeRequest({ ...request, protocol: "grpc", code: "OK", durationMs: 0.2 });
    metrics.observeRequest({ ...request, protocol: "grpc", code: "Internal", durationMs: 30_000 });
    metrics.observeRequest({ ...request, protocol: "v2", code: "DeadlineExceeded", durationMs: 30_001 });
    metrics.observeInference(
      { name: "digits", version: 2 },
      { ok: true, totalMs: 3, rows: 5, queueMs: 500, decodeMs: 0, computeMs: 250, encodeMs: 0 },
    );
    const version = reportOf(metrics).models[0]?.versions[0];
    expect(version).toMatchObject({
      requests: { OK: 2, Internal: 1, DeadlineExceeded: 1 },
      rows: 5,
      queueSeconds: 0.5,
      computeSeconds: 0.25,
    });
    const counts = version?.duration.counts ?? [];
    expect(counts).toHaveLength(BINS);
    expect([counts[0], counts[1], counts[BINS - 2], counts[BINS - 1]]).toEqual([1, 1, 1, 1]);
    expect(version?.duration.sumSeconds).toBeCloseTo(60.0022);
  });

  test.each(DURATION_BOUNDS_SECONDS.map((bound, bin) => [bound, bin] as const))(
    "a duration of exactly %d s is in bin %d",
    (bound, bin) => {
      const metrics = setUp();
      load(metrics, 2);
      metrics.observeRequest({ model: "digits", version: 2, protocol: "v2", code: "OK", durationMs: bound * 1000 });
      const counts = reportOf(metrics).models[0]?.versions[0]?.duration.counts ?? [];
      expect(counts.findIndex((count) => count === 1)).toBe(bin);
    },
  );

  test("counts apart what no version has answered, and leaves out what is not served", () => {
    const metrics = setUp();
    load(metrics, 2);
    metrics.observeRequest({ model: "digits", version: undefined, protocol: "v2", code: "Unavailable", durationMs: 1 });
    metrics.observeRequest({ model: "digits", version: 77, protocol: "grpc", code: "NotFound", durationMs: 1 });
    metrics.observeRequest({ model: "cats", version: undefined, protocol: "v2", code: "NotFound", durationMs: 1 });
    const { models } = reportOf(metrics);
    expect(models.map(({ name }) => name)).toEqual(["digits", "iris"]);
    expect(models[0]?.unanswered).toEqual({ Unavailable: 1, NotFound: 1 });
    expect(models[0]?.versions.map(({ requests }) => requests)).toEqual([{}]);
  });

  test("tells how many requests are at a model", () => {
    const metrics = setUp();
    metrics.begin("digits");
    metrics.begin("digits");
    metrics.begin("cats");
    metrics.end("digits");
    expect(reportOf(metrics).models.map(({ inFlight }) => inFlight)).toEqual([1, 0]);
  });

  test("keeps the sums of versions that answer no more, and forgets those of long ago", () => {
    const metrics = setUp();
    for (let version = 0; version < 100; version++) load(metrics, version);
    metrics.observeRequest({ model: "digits", version: 98, protocol: "v2", code: "OK", durationMs: 1 });
    const versions = reportOf(metrics, {}, [0, 99]).models[0]?.versions ?? [];
    expect(versions.map(({ version }) => version)).toEqual([0, 91, 92, 93, 94, 95, 96, 97, 98, 99]);
    expect(versions.find(({ version }) => version === 98)).toMatchObject({ requests: { OK: 1 } });
    expect(versions.filter(({ digest }) => digest !== undefined).map(({ version }) => version)).toEqual([0, 99]);
  });

  test("has what others tell of drift and outcomes", () => {
    const metrics = setUp();
    load(metrics, 2);
    const sums = { joined: 3, labels: 3, correct: 2, numbers: 0, absoluteError: 0, squaredError: 0 };
    const drift: ReplicaDrift = { state: "Learning", rows: 7, features: [] };
    const stray = { requestId: "r", values: ["cat"], number: 1 };
    const { models } = reportOf(metrics, {
      drift: (model, version) => (model === "digits" && version === 2 ? drift : { state: "Off" }),
      outcomes: (model, version) => (model === "digits" && version === 2 ? sums : undefined),
      strayOutcomes: (model) => (model === "digits" ? [stray] : []),
    });
    expect(models[0]).toMatchObject({ versions: [{ drift, outcomes: sums }], strayOutcomes: [stray] });
    expect(models[1]).toMatchObject({ strayOutcomes: [] });
  });
});
