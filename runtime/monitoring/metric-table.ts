/** A metric: what is registered, and what docs/reference/metrics.md says of it. */
export interface MetricSpec {
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets; at most ten, because each is a series for each set of labels. */
  readonly buckets?: readonly number[];
}

/**
 * All metrics of a replica: the one list. Units are in the names, seconds and bytes. Label `model` is a model that the
 * replica was told to serve, or `_unknown`; `version` is empty where no version answered.
 */
export const RUNTIME_METRICS = {
  requests: {
    name: "lockstep_requests_total",
    type: "counter",
    help: "Requests for inference that have ended, by outcome: OK or an error code.",
    labels: ["model", "version", "protocol", "code"],
  },
  requestDuration: {
    name: "lockstep_request_duration_seconds",
    type: "histogram",
    help: "Time from a request's arrival to its answer, whatever the outcome.",
    labels: ["model", "version", "protocol"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 10],
  },
  requestsInFlight: {
    name: "lockstep_requests_in_flight",
    type: "gauge",
    help: "Requests for inference that are being worked on.",
    labels: [],
  },
  modelInFlight: {
    name: "lockstep_model_requests_in_flight",
    type: "gauge",
    help: "Requests for inference that wait for a model or are being answered by it, without the time in which they arrive and their answers are sent.",
    labels: ["model"],
  },
  refusals: {
    name: "lockstep_requests_refused_total",
    type: "counter",
    help: "Requests for inference that were refused with 429 or RESOURCE_EXHAUSTED, by reason: in-flight (too many were), memory (too many bytes were), queue (too many waited), deadline (it would have come too late), priority (others of higher priority needed the place).",
    labels: ["reason"],
  },
  httpAnswers: {
    name: "lockstep_http_answers_total",
    type: "counter",
    help: "Answers over HTTP that were written whole, whatever was asked for, by status; answers to what was no request among them. Of a stream, its head and all of its items are one answer.",
    labels: ["code"],
  },
  httpUnanswered: {
    name: "lockstep_http_unanswered_total",
    type: "counter",
    help: "Requests over HTTP whose connection was gone before their answer was written.",
    labels: [],
  },
  grpcCalls: {
    name: "lockstep_grpc_calls_total",
    type: "counter",
    help: "Calls over gRPC that have ended, whatever was asked for, by status; 405 and 415 for what was no call of gRPC. Of calls whose client went away before the answer, the status is CANCELLED.",
    labels: ["code"],
  },
  drops: {
    name: "lockstep_connections_dropped_total",
    type: "counter",
    help: "Connections that were closed unanswered because too many were open, by protocol (http, grpc).",
    labels: ["protocol"],
  },
  dismissals: {
    name: "lockstep_connections_dismissed_total",
    type: "counter",
    help: "Connections whose clients were asked to make others, by protocol (http, grpc) and reason: age, or rebalance (replicas were added).",
    labels: ["protocol", "reason"],
  },
  compute: {
    name: "lockstep_inference_compute_seconds",
    type: "histogram",
    help: "Time of one run in the inference library, without waiting for its turn.",
    labels: ["model", "version"],
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 10],
  },
  queue: {
    name: "lockstep_inference_queue_seconds",
    type: "histogram",
    help: "Time of a request from its arrival at the model until its run began: for others in its batch, and for its turn.",
    labels: ["model", "version"],
    buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 10],
  },
  batchSize: {
    name: "lockstep_batch_size",
    type: "histogram",
    help: "Rows of one run in the inference library, of all requests in it together.",
    labels: ["model", "version"],
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
  },
  codec: {
    name: "lockstep_codec_seconds",
    type: "histogram",
    help: "Time to read a request (decode) and to write its answer (encode).",
    labels: ["model", "version", "direction"],
    buckets: [0.00001, 0.00005, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 1],
  },
  traceSpans: {
    name: "lockstep_trace_spans_total",
    type: "counter",
    help: "Spans of traces by what became of them: exported, failed (the collector did not take them) or dropped (too many waited for it). Only where traces are on.",
    labels: ["outcome"],
  },
  modelInfo: {
    name: "lockstep_model_info",
    type: "gauge",
    help: "1 for each version that answers, with the digest of its file.",
    labels: ["model", "version", "digest"],
  },
  modelLoad: {
    name: "lockstep_model_load_seconds",
    type: "gauge",
    help: "Time from the start of a version's fetch until it could answer.",
    labels: ["model", "version"],
  },
  modelSize: {
    name: "lockstep_model_size_bytes",
    type: "gauge",
    help: "Size of all files of a version that answers.",
    labels: ["model", "version"],
  },
  epoch: {
    name: "lockstep_epoch",
    type: "gauge",
    help: "The epoch that the replica serves, where the operator switches versions; 0 while it answers nobody.",
    labels: ["model"],
  },
  gate: {
    name: "lockstep_gate",
    type: "gauge",
    help: "Where the operator switches versions, 1 for what the replica does with requests that name none, 0 for the rest: Unjoined (the operator has not said what to serve), Serving, Fenced (requests are held during a switch) or Unsure (they are refused until the operator is heard).",
    labels: ["model", "state"],
  },
  modelMemory: {
    name: "lockstep_model_load_memory_bytes",
    type: "gauge",
    help: "How much the memory of the process grew while a version was loaded and warmed up. Of versions that are loaded at the same time, each has the growth by all of them.",
    labels: ["model", "version"],
  },
  switchHeld: {
    name: "lockstep_switch_held_seconds",
    type: "histogram",
    help: "How long a switch of versions let requests that name no version wait.",
    labels: ["model"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
  },
  modelFailures: {
    name: "lockstep_model_failures_total",
    type: "counter",
    help: "Failed attempts to list, fetch, load or warm up, and crashes, by documented reason.",
    labels: ["model", "reason"],
  },
  feedback: {
    name: "lockstep_feedback_total",
    type: "counter",
    help: "Outcomes of predictions, by what became of them: joined with the prediction, waiting for it, duplicate (it had one already), refused (it does not fit the prediction), expired (nobody here knew the prediction for ten minutes, or too many waited). Version is empty where no prediction is known.",
    labels: ["model", "version", "result"],
  },
  outcomeRows: {
    name: "lockstep_outcome_rows_total",
    type: "counter",
    help: "Rows of predictions that were compared with their outcome, by kind: label or number.",
    labels: ["model", "version", "kind"],
  },
  outcomeCorrect: {
    name: "lockstep_outcome_correct_total",
    type: "counter",
    help: "Of the rows of kind label, those whose prediction was right.",
    labels: ["model", "version"],
  },
  outcomeAbsoluteError: {
    name: "lockstep_outcome_absolute_error_total",
    type: "counter",
    help: "Of the rows of kind number, the sum of absolute errors, in the unit of the model's output.",
    labels: ["model", "version"],
  },
  outcomeSquaredError: {
    name: "lockstep_outcome_squared_error_total",
    type: "counter",
    help: "Of the rows of kind number, the sum of squared errors.",
    labels: ["model", "version"],
  },
  payloadsLogged: {
    name: "lockstep_payloads_logged_total",
    type: "counter",
    help: "Requests whose payloads were logged, by sink: http (CloudEvents) or storage (files).",
    labels: ["sink"],
  },
  payloadsDropped: {
    name: "lockstep_payloads_dropped_total",
    type: "counter",
    help: "Requests whose payloads should have been logged and were not, by sink and reason: queue (too many bytes waited), too-large (it would not fit alone), sink (it did not take them), shutdown (no time was left).",
    labels: ["sink", "reason"],
  },
  payloadsHeld: {
    name: "lockstep_payload_held_bytes",
    type: "gauge",
    help: "Memory of payloads that wait to be logged or are being sent, of all sinks together; at most logger.maxQueueSize.",
    labels: [],
  },
  driftPsi: {
    name: "lockstep_drift_psi",
    type: "gauge",
    help: "Population stability index of a feature, by side (input, output): how far the newest rows that this replica has looked at are from the version's reference. The 64 features that are farthest.",
    labels: ["model", "version", "side", "feature"],
  },
  driftingFeatures: {
    name: "lockstep_drift_features",
    type: "gauge",
    help: "Features of a version that drift, as far as this replica has seen; not there before there is a reference and rows enough.",
    labels: ["model", "version"],
  },
  driftSampled: {
    name: "lockstep_drift_sampled_rows_total",
    type: "counter",
    help: "Rows of requests that were looked at for drift.",
    labels: ["model"],
  },
  driftDropped: {
    name: "lockstep_drift_dropped_rows_total",
    type: "counter",
    help: "Rows that were to be looked at for drift, and were not because too many waited.",
    labels: ["model"],
  },
  ready: {
    name: "lockstep_replica_ready",
    type: "gauge",
    help: "1 while the replica answers for all of its models and is not draining.",
    labels: [],
  },
  buildInfo: {
    name: "lockstep_build_info",
    type: "gauge",
    help: "1, with the releases of the runtime, of Node.js and of onnxruntime.",
    labels: ["version", "node", "onnxruntime"],
  },
  eventLoopDelay: {
    name: "lockstep_event_loop_delay_seconds",
    type: "gauge",
    help: "How late the thread that serves requests was, since the last scrape.",
    labels: ["quantile"],
  },
  cpu: {
    name: "process_cpu_seconds_total",
    type: "counter",
    help: "CPU time of the process, all threads together.",
    labels: [],
  },
  memory: {
    name: "process_resident_memory_bytes",
    type: "gauge",
    help: "Memory of the process, models included.",
    labels: [],
  },
  heap: {
    name: "nodejs_heap_size_used_bytes",
    type: "gauge",
    help: "JavaScript heap in use by the thread that serves requests.",
    labels: [],
  },
  externalMemory: {
    name: "nodejs_external_memory_bytes",
    type: "gauge",
    help: "Buffers outside of the JavaScript heap, bodies and tensors among them.",
    labels: [],
  },
  openFiles: {
    name: "process_open_fds",
    type: "gauge",
    help: "Open file descriptors, connections among them. Linux only.",
    labels: [],
  },
  startTime: {
    name: "process_start_time_seconds",
    type: "gauge",
    help: "When the process started, in seconds since 1970.",
    labels: [],
  },
} as const satisfies Record<string, MetricSpec>;

/** What a metric is called in the code. */
export type MetricKey = keyof typeof RUNTIME_METRICS;
