/** Series of a minute's interval, in promtool's notation, by names with labels. */
export type InputSeries = Readonly<Record<string, string>>;

/** What an alert must and must not be told of. */
export interface AlertCase {
  readonly alert: string;
  readonly what: string;
  readonly series: InputSeries;
  /** When it is asked, after the first sample; Prometheus' notation. */
  readonly at: string;
  /** How many of it fire. */
  readonly firing: number;
  /** The labels by which they differ, where that matters. */
  readonly by?: Readonly<Record<string, readonly string[]>>;
}

const POD_A = 'namespace="n",inferenceservice="s",pod="a"';
const POD_B = 'namespace="n",inferenceservice="s",pod="b"';
const REQUESTS = (code: string, pod = POD_A): string =>
  `lockstep_requests_total{${pod},model="m",version="1",protocol="v2",code="${code}"}`;
const INFO = (pod: string, version: string, digest: string): string =>
  `lockstep_model_info{${pod},model="m",version="${version}",digest="${digest}"}`;
const OPERATOR = (pod: string): string => `namespace="lockstep-system",pod="${pod}"`;
/** Samples of a histogram whose observations all lie in the bucket `le`. */
const histogram = (name: string, labels: string, le: readonly string[], from: number): Record<string, string> =>
  Object.fromEntries(
    le.map((bound, index) => [`${name}_bucket{${labels},le="${bound}"}`, index < from ? "0x400" : "0+60x400"]),
  );
const DAY = 86_400;

/** At least one that fires and one that does not, for each alert. */
export const ALERT_CASES: readonly AlertCase[] = [
  {
    alert: "LockstepReplicaNotReady",
    what: "fires for the replica that is not, and not for the other",
    series: { [`lockstep_replica_ready{${POD_A}}`]: "0x30", [`lockstep_replica_ready{${POD_B}}`]: "1x30" },
    at: "11m",
    firing: 1,
    by: { pod: ["a"] },
  },
  {
    alert: "LockstepReplicaNotReady",
    what: "leaves one that starts its time",
    series: { [`lockstep_replica_ready{${POD_A}}`]: "0x9 1x30" },
    at: "20m",
    firing: 0,
  },
  {
    alert: "LockstepErrorBudgetBurnsFast",
    what: "fires where a twentieth of the requests fails",
    series: { [REQUESTS("OK")]: "0+95x120", [REQUESTS("Internal")]: "0+5x120" },
    at: "70m",
    firing: 1,
  },
  {
    alert: "LockstepErrorBudgetBurnsFast",
    what: "ends when failures end, long before the hour is over",
    series: { [REQUESTS("OK")]: "0+95x150", [REQUESTS("Internal")]: "0+5x70 350x80" },
    at: "80m",
    firing: 0,
  },
  {
    alert: "LockstepErrorBudgetBurnsFast",
    what: "does not count clients' own errors",
    series: {
      [REQUESTS("OK")]: "0+5x120",
      [REQUESTS("InvalidArgument")]: "0+95x120",
      [REQUESTS("Unimplemented")]: "0+9x120",
    },
    at: "70m",
    firing: 0,
  },
  {
    alert: "LockstepErrorBudgetBurnsFast",
    what: "waits through a minute of failures",
    series: { [REQUESTS("OK")]: "0+100x120", [REQUESTS("Unavailable")]: "0x59 0 20 20x60" },
    at: "61m",
    firing: 0,
  },
  {
    alert: "LockstepErrorBudgetBurnsSlowly",
    what: "fires where one in a hundred fails for hours",
    series: { [REQUESTS("OK")]: "0+99x500", [REQUESTS("DeadlineExceeded")]: "0+1x500" },
    at: "7h",
    firing: 1,
  },
  {
    alert: "LockstepErrorBudgetBurnsSlowly",
    what: "leaves the budget to be used",
    series: { [REQUESTS("OK")]: "0+1999x500", [REQUESTS("DeadlineExceeded")]: "0+1x500" },
    at: "7h",
    firing: 0,
  },
  {
    alert: "LockstepLatencyHigh",
    what: "fires where answers take more than a second",
    series: {
      [REQUESTS("OK")]: "0+60x60",
      ...histogram(
        "lockstep_request_duration_seconds",
        `${POD_A},model="m",version="1",protocol="v2"`,
        ["0.1", "1", "10", "+Inf"],
        2,
      ),
    },
    at: "30m",
    firing: 1,
  },
  {
    alert: "LockstepLatencyHigh",
    what: "leaves quick answers alone",
    series: {
      [REQUESTS("OK")]: "0+60x60",
      ...histogram(
        "lockstep_request_duration_seconds",
        `${POD_A},model="m",version="1",protocol="v2"`,
        ["0.1", "1", "10", "+Inf"],
        0,
      ),
    },
    at: "30m",
    firing: 0,
  },
  {
    alert: "LockstepRequestsRefused",
    what: "fires where a tenth is refused",
    series: {
      [REQUESTS("OK")]: "0+90x60",
      [REQUESTS("ResourceExhausted")]: "0+10x60",
      [`lockstep_requests_refused_total{${POD_A},reason="queue"}`]: "0+10x60",
    },
    at: "30m",
    firing: 1,
  },
  {
    alert: "LockstepRequestsRefused",
    what: "leaves a burst alone",
    series: { [REQUESTS("OK")]: "0+90x60", [`lockstep_requests_refused_total{${POD_A},reason="queue"}`]: "0x10 50x50" },
    at: "17m",
    firing: 0,
  },
  {
    alert: "LockstepModelFails",
    what: "fires where attempts go on to fail",
    series: { [`lockstep_model_failures_total{${POD_A},model="m",reason="ModelNotFound"}`]: "0+1x60" },
    at: "40m",
    firing: 1,
    by: { reason: ["ModelNotFound"] },
  },
  {
    alert: "LockstepModelFails",
    what: "forgets a failure that was mended",
    series: { [`lockstep_model_failures_total{${POD_A},model="m",reason="ModelNotFound"}`]: "0 1 2x60" },
    at: "40m",
    firing: 0,
  },
  {
    alert: "LockstepVersionsDiffer",
    what: "fires for the version that a replica lacks",
    series: { [INFO(POD_A, "1", "x")]: "1x40", [INFO(POD_A, "2", "y")]: "1x40", [INFO(POD_B, "1", "x")]: "1x40" },
    at: "20m",
    firing: 1,
    by: { version: ["2"], digest: ["y"] },
  },
  {
    alert: "LockstepVersionsDiffer",
    what: "fires for one version with two contents",
    series: { [INFO(POD_A, "1", "x")]: "1x40", [INFO(POD_B, "1", "y")]: "1x40" },
    at: "20m",
    firing: 2,
    by: { digest: ["x", "y"] },
  },
  {
    alert: "LockstepVersionsDiffer",
    what: "leaves a change of versions its time",
    series: {
      [INFO(POD_A, "1", "x")]: "1x10 _x30",
      [INFO(POD_B, "1", "x")]: "1x14 _x30",
      [INFO(POD_A, "2", "y")]: "_x9 1x30",
      [INFO(POD_B, "2", "y")]: "_x14 1x30",
    },
    at: "30m",
    firing: 0,
  },
  {
    alert: "LockstepSwitchHeldLong",
    what: "fires where requests waited for seconds",
    series: histogram("lockstep_switch_held_seconds", `${POD_A},model="m"`, ["0.1", "1", "5", "+Inf"], 2),
    at: "20m",
    firing: 1,
  },
  {
    alert: "LockstepSwitchHeldLong",
    what: "leaves the usual milliseconds alone",
    series: histogram("lockstep_switch_held_seconds", `${POD_A},model="m"`, ["0.1", "1", "5", "+Inf"], 0),
    at: "20m",
    firing: 0,
  },
  { alert: "LockstepOperatorAbsent", what: "fires without any", series: { up: "1x30" }, at: "12m", firing: 1 },
  {
    alert: "LockstepOperatorAbsent",
    what: "is quiet with one",
    series: { [`lockstep_operator_leader{${OPERATOR("a")}}`]: "0x30" },
    at: "12m",
    firing: 0,
  },
  {
    alert: "LockstepOperatorWithoutLeader",
    what: "fires where two run and none leads",
    series: {
      [`lockstep_operator_leader{${OPERATOR("a")}}`]: "0x30",
      [`lockstep_operator_leader{${OPERATOR("b")}}`]: "0x30",
    },
    at: "4m",
    firing: 1,
  },
  {
    alert: "LockstepOperatorWithoutLeader",
    what: "is quiet where one of two leads",
    series: {
      [`lockstep_operator_leader{${OPERATOR("a")}}`]: "0x30",
      [`lockstep_operator_leader{${OPERATOR("b")}}`]: "1x30",
    },
    at: "4m",
    firing: 0,
  },
  {
    alert: "LockstepReconcilesFail",
    what: "fires where one goes on to fail",
    series: { [`lockstep_operator_queue_failing{${OPERATOR("a")}}`]: "1x30" },
    at: "16m",
    firing: 1,
  },
  {
    alert: "LockstepReconcilesFail",
    what: "is quiet where the next try mends it",
    series: { [`lockstep_operator_queue_failing{${OPERATOR("a")}}`]: "1x5 0x30" },
    at: "16m",
    firing: 0,
  },
  {
    alert: "LockstepWatchStale",
    what: "fires for the kind that is old",
    series: {
      [`lockstep_operator_watch_age_seconds{${OPERATOR("a")},kind="Pod"}`]: "0+60x30",
      [`lockstep_operator_watch_age_seconds{${OPERATOR("a")},kind="Service"}`]: "30x30",
    },
    at: "10m",
    firing: 1,
    by: { kind: ["Pod"] },
  },
  {
    alert: "LockstepWatchStale",
    what: "is quiet after a restart of the API server",
    series: { [`lockstep_operator_watch_age_seconds{${OPERATOR("a")},kind="Pod"}`]: "0+60x4 5x30" },
    at: "10m",
    firing: 0,
  },
  {
    alert: "LockstepInferenceServiceNotReady",
    what: "fires where one is not",
    series: { [`lockstep_operator_inference_services{${OPERATOR("a")},ready="False"}`]: "2x30" },
    at: "16m",
    firing: 1,
  },
  {
    alert: "LockstepInferenceServiceNotReady",
    what: "is quiet where all are",
    series: { [`lockstep_operator_inference_services{${OPERATOR("a")},ready="False"}`]: "0x30" },
    at: "16m",
    firing: 0,
  },
  {
    alert: "LockstepCertificateExpires",
    what: "fires two weeks before",
    series: {
      [`lockstep_operator_metrics_api_certificate_expiry_timestamp_seconds{${OPERATOR("a")}}`]: `${13 * DAY}x100`,
    },
    at: "70m",
    firing: 1,
  },
  {
    alert: "LockstepCertificateExpires",
    what: "is quiet while there is time to renew it",
    series: {
      [`lockstep_operator_metrics_api_certificate_expiry_timestamp_seconds{${OPERATOR("a")}}`]: `${100 * DAY}x100`,
    },
    at: "70m",
    firing: 0,
  },
  {
    alert: "LockstepActivatorRefuses",
    what: "fires where models do not wake in time",
    series: { [`lockstep_operator_activator_refused_total{${OPERATOR("a")},reason="deadline"}`]: "0+2x40" },
    at: "20m",
    firing: 1,
    by: { reason: ["deadline"] },
  },
  {
    alert: "LockstepActivatorRefuses",
    what: "is quiet where somebody stopped a model",
    series: { [`lockstep_operator_activator_refused_total{${OPERATOR("a")},reason="stopped"}`]: "0+2x40" },
    at: "20m",
    firing: 0,
  },
  {
    alert: "LockstepDataDrifts",
    what: "fires once, however many operators say it",
    series: Object.fromEntries(
      ["a", "b"].map((pod) => [
        `lockstep_operator_drift_state{${OPERATOR(pod)},inference_service_namespace="n",inference_service="s",version="2",state="Drifting"}`,
        "1x40",
      ]),
    ),
    at: "20m",
    firing: 1,
    by: { version: ["2"] },
  },
  {
    alert: "LockstepDataDrifts",
    what: "is quiet while data is steady",
    series: {
      [`lockstep_operator_drift_state{${OPERATOR("a")},inference_service_namespace="n",inference_service="s",version="2",state="Drifting"}`]:
        "0x40",
      [`lockstep_operator_drift_state{${OPERATOR("a")},inference_service_namespace="n",inference_service="s",version="2",state="Steady"}`]:
        "1x40",
    },
    at: "20m",
    firing: 0,
  },
  {
    alert: "LockstepPayloadsDropped",
    what: "fires where a sink goes on to refuse them",
    series: { [`lockstep_payloads_dropped_total{${POD_A},sink="http",reason="sink"}`]: "0+1x60" },
    at: "40m",
    firing: 1,
    by: { reason: ["sink"] },
  },
  {
    alert: "LockstepPayloadsDropped",
    what: "is quiet where none is dropped",
    series: { [`lockstep_payloads_dropped_total{${POD_A},sink="http",reason="sink"}`]: "7x60" },
    at: "40m",
    firing: 0,
  },
];
