import { ValueFamily, type ExpositionForm, type MetricFamily } from "./metric-families.ts";
import type { ModelStatistics, VersionStatistics } from "./model-statistics.ts";

/** A metric by the name that Triton gives it, and what it is of a version. Times are in whole microseconds. */
interface TritonMetric {
  readonly name: string;
  readonly type: "counter" | "gauge";
  readonly help: string;
  readonly valueOf: (statistics: VersionStatistics) => number;
}

/** As docs/user_guide/metrics.md of Triton has them, for dashboards that exist; labels `model` and `version`. */
export const TRITON_METRICS: readonly TritonMetric[] = [
  {
    name: "nv_inference_request_success",
    type: "counter",
    help: "Requests that a version has answered.",
    valueOf: ({ success }) => success.count,
  },
  {
    name: "nv_inference_request_failure",
    type: "counter",
    help: "Requests that a version could not answer.",
    valueOf: ({ fail }) => fail.count,
  },
  {
    name: "nv_inference_count",
    type: "counter",
    help: "Rows that were answered.",
    valueOf: ({ inferenceCount }) => inferenceCount,
  },
  {
    name: "nv_inference_exec_count",
    type: "counter",
    help: "Runs in the inference library, each of one or more requests.",
    valueOf: ({ executionCount }) => executionCount,
  },
  {
    name: "nv_inference_request_duration_us",
    type: "counter",
    help: "Time of answered requests at the model, summed up.",
    valueOf: ({ success }) => microseconds(success.totalMs),
  },
  {
    name: "nv_inference_queue_duration_us",
    type: "counter",
    help: "Time that answered requests have waited for their run, summed up.",
    valueOf: ({ queue }) => microseconds(queue.totalMs),
  },
  {
    name: "nv_inference_compute_input_duration_us",
    type: "counter",
    help: "Time to read answered requests, summed up.",
    valueOf: ({ decode }) => microseconds(decode.totalMs),
  },
  {
    name: "nv_inference_compute_infer_duration_us",
    type: "counter",
    help: "Time of the runs that answered requests were in, summed up.",
    valueOf: ({ compute }) => microseconds(compute.totalMs),
  },
  {
    name: "nv_inference_compute_output_duration_us",
    type: "counter",
    help: "Time to write the answers, summed up.",
    valueOf: ({ encode }) => microseconds(encode.totalMs),
  },
  {
    name: "nv_inference_pending_request_count",
    type: "gauge",
    help: "Requests at a version that are not answered yet.",
    valueOf: ({ pending }) => pending,
  },
];

/**
 * The statistics of the versions that are loaded, by Triton's names. Made when somebody asks: they cost requests nothing. As in
 * Triton, they begin anew when a version is loaded anew.
 */
export function tritonFamilies(statistics: Pick<ModelStatistics, "all">): readonly MetricFamily[] {
  const all = statistics.all();
  return TRITON_METRICS.map(({ name, type, help, valueOf }) => ({
    *text(form?: ExpositionForm) {
      const family = new ValueFamily(type, { name, help, labels: ["model", "version"] });
      for (const each of all)
        family.series({ model: each.id.name, version: String(each.id.version) }).value = valueOf(each);
      yield* family.text(form);
    },
  }));
}

function microseconds(durationMs: number): number {
  return Math.round(durationMs * 1000);
}
