import { expect, test } from "vitest";
import { ModelStatistics } from "../../../../runtime/monitoring/model-statistics.ts";
import { TRITON_METRICS, tritonFamilies } from "../../../../runtime/monitoring/triton-metrics.ts";

const ID = { name: "digits", version: 2 };

function pageOf(statistics: ModelStatistics, form: "prometheus" | "openmetrics" = "prometheus"): string {
  return tritonFamilies(statistics)
    .flatMap((family) => [...family.text(form)])
    .join("");
}

test("has what Triton has, by its names", () => {
  const statistics = new ModelStatistics();
  statistics.begin(ID);
  statistics.begin(ID);
  const times = { queueMs: 1, decodeMs: 0.5, computeMs: 2, encodeMs: 0.25 };
  statistics.observeInference(ID, { ok: true, totalMs: 4, rows: 3, ...times }, 0);
  statistics.observeInference(ID, { ok: true, totalMs: 6.0004, rows: 1, ...times }, 0);
  statistics.observeInference(ID, { ok: false, totalMs: 9 }, 0);
  statistics.observeRun(ID, { rows: 4, computeMs: 2 });
  statistics.end(ID);
  const values = [...pageOf(statistics).matchAll(/^(\w+)\{model="digits",version="2"\} (\S+)$/gm)];
  expect(Object.fromEntries(values.map(([, name, value]) => [name, Number(value)]))).toEqual({
    nv_inference_request_success: 2,
    nv_inference_request_failure: 1,
    nv_inference_count: 4,
    nv_inference_exec_count: 1,
    nv_inference_request_duration_us: 10_000,
    nv_inference_queue_duration_us: 2_000,
    nv_inference_compute_input_duration_us: 1_000,
    nv_inference_compute_infer_duration_us: 4_000,
    nv_inference_compute_output_duration_us: 500,
    nv_inference_pending_request_count: 1,
  });
});

test("has no series before a version has done anything, nor after it was unloaded", () => {
  const statistics = new ModelStatistics();
  expect(pageOf(statistics)).not.toContain("{");
  statistics.observeRun(ID, { rows: 1, computeMs: 1 });
  expect(pageOf(statistics)).toContain("{");
  statistics.forget(ID);
  expect(pageOf(statistics)).not.toContain("{");
});

test("in OpenMetrics, what has no counter's name is none", () => {
  const page = pageOf(new ModelStatistics(), "openmetrics");
  for (const { name, type } of TRITON_METRICS)
    expect(page).toContain(`# TYPE ${name} ${type === "counter" ? "unknown" : "gauge"}\n`);
});
