import { ERROR_CODES } from "../../runtime/errors.ts";
import { DATA_ALERTS } from "./data.ts";
import { OPERATOR, REPLICA } from "./metric-names.ts";
import type { Alert, RecordingRule, RuleGroup } from "./rule-table.ts";

/** Of a thousand requests, one may fail: what error budgets are measured by. */
const ERROR_BUDGET = 0.001;
/** Windows of the share of failures, as in Google's Site Reliability Workbook, chapter 5. */
const WINDOWS = ["5m", "30m", "1h", "6h"] as const;

const MODEL = "namespace, inferenceservice, model";
const SERVICE = "namespace, inferenceservice";
const POD = "namespace, inferenceservice, pod";

/** Codes that are the replica's fault, as a regular expression; what it has not implemented is not. */
const FAULTS = Object.entries(ERROR_CODES)
  .filter(([code, { http }]) => http >= 500 && code !== "Unimplemented")
  .map(([code]) => code)
  .join("|");

const errorRatio = (window: string): string => `lockstep:request_errors:ratio_rate${window}`;
const REQUEST_RATE = "lockstep:requests:rate5m";
const REFUSAL_RATIO = "lockstep:requests_refused:ratio_rate5m";
const LATENCY_P99 = "lockstep:request_duration_seconds:p99_5m";

const RECORDINGS: readonly RecordingRule[] = [
  { record: REQUEST_RATE, expr: `sum by (${MODEL}) (rate(${REPLICA.requests}[5m]))` },
  ...WINDOWS.map((window) => ({
    record: errorRatio(window),
    // Where nothing failed there is no series of failures; none of requests means no ratio.
    expr: `(
  sum by (${MODEL}) (rate(${REPLICA.requests}{code=~"${FAULTS}"}[${window}]))
  or sum by (${MODEL}) (rate(${REPLICA.requests}[${window}])) * 0
) / (sum by (${MODEL}) (rate(${REPLICA.requests}[${window}])) > 0)`,
  })),
  {
    record: REFUSAL_RATIO,
    expr: `sum by (${SERVICE}) (rate(${REPLICA.refusals}[5m])) / (sum by (${SERVICE}) (rate(${REPLICA.requests}[5m])) > 0)`,
  },
  {
    record: LATENCY_P99,
    expr: `histogram_quantile(0.99, sum by (${MODEL}, le) (rate(${REPLICA.requestDuration}_bucket[5m])))`,
  },
];

/** Both windows must burn the budget: the long one that it matters, the short one that it goes on. */
function burn(long: (typeof WINDOWS)[number], short: (typeof WINDOWS)[number], factor: number): string {
  const threshold = Number((factor * ERROR_BUDGET).toPrecision(6));
  return `${errorRatio(long)} > ${threshold} and ${errorRatio(short)} > ${threshold}`;
}

const OF_MODEL = "{{ $labels.namespace }}/{{ $labels.inferenceservice }}, model {{ $labels.model }}";
const OF_SERVICE = "{{ $labels.namespace }}/{{ $labels.inferenceservice }}";

const BURN_STEPS = [
  "Dashboard, row *Traffic*: which `code`? `Unavailable` is a model that is not loaded or a replica that goes; `DeadlineExceeded` answers that come too late; `Internal` a fault, which the log has under the request's id.",
  'One replica or all? `sum by (pod, code) (rate(lockstep_requests_total{code!="OK"}[5m]))`',
  "Did it begin with a new version? Then go back: `lockstep rollback`.",
];

const REPLICA_ALERTS: readonly Alert[] = [
  {
    name: "LockstepReplicaNotReady",
    when: "a replica has not been ready for ten minutes",
    expr: `min by (${POD}) (${REPLICA.ready}) == 0`,
    for: "10m",
    severity: "warning",
    summary: `A replica of ${OF_SERVICE} is not ready`,
    description: "{{ $labels.pod }} has not answered for all of its models for 10 minutes.",
    meaning: "The Service sends this replica nothing; the others have its share.",
    steps: [
      "`kubectl get isvc NAME -o wide` has a reason and a message; [troubleshooting](troubleshooting.md) has what to do about each.",
      "`kubectl logs POD`: the replica says every failure to fetch and to load.",
    ],
  },
  {
    name: "LockstepErrorBudgetBurnsFast",
    when: "more than 1.44 % of a model's requests fail, over an hour and over five minutes",
    expr: burn("1h", "5m", 14.4),
    for: "2m",
    severity: "critical",
    summary: `Requests to ${OF_MODEL} fail`,
    description: "{{ $value | humanizePercentage }} of the requests of the last hour failed, and still do.",
    meaning: `At this rate a month's budget of ${ERROR_BUDGET * 100} % failed requests is used up in two days. Errors of clients (4xx) do not count.`,
    steps: BURN_STEPS,
  },
  {
    name: "LockstepErrorBudgetBurnsSlowly",
    when: "more than 0.6 % of a model's requests fail, over six hours and over half an hour",
    expr: burn("6h", "30m", 6),
    for: "15m",
    severity: "warning",
    summary: `Some requests to ${OF_MODEL} fail`,
    description: "{{ $value | humanizePercentage }} of the requests of the last six hours failed, and still do.",
    meaning: `At this rate a month's budget of ${ERROR_BUDGET * 100} % failed requests is used up in five days.`,
    steps: BURN_STEPS,
  },
  {
    name: "LockstepLatencyHigh",
    when: "one request in a hundred takes longer than a second",
    expr: `${LATENCY_P99} > 1 and ${REQUEST_RATE} > 0.1`,
    for: "10m",
    severity: "warning",
    summary: `${OF_MODEL}: answers take long`,
    description: "One request in a hundred takes {{ $value | humanizeDuration }} or longer.",
    meaning: "A second is long for most models; where it is not, leave this alert out and write your own.",
    steps: [
      "Dashboard, row *Where the time goes*. Queue: too few replicas, see [autoscaling](autoscaling.md). Compute: the model itself, or a CPU limit that holds it back. Codec: large requests in JSON; use the binary form.",
      "Row *Process*: an event loop that is late means that something else than models uses the serving thread.",
    ],
  },
  {
    name: "LockstepRequestsRefused",
    when: "more than one request in a hundred is refused for want of room",
    expr: `${REFUSAL_RATIO} > 0.01`,
    for: "10m",
    severity: "warning",
    summary: `${OF_SERVICE} refuses requests`,
    description: "{{ $value | humanizePercentage }} of its requests are answered with 429 or RESOURCE_EXHAUSTED.",
    meaning: "More comes than the replicas can answer in time; they refuse what would wait in vain.",
    steps: [
      "`sum by (reason) (rate(lockstep_requests_refused_total[5m]))`: `queue`, `deadline` and `in-flight` ask for replicas, `memory` for smaller requests or more memory.",
      "Is it at `maxReplicas`? `kubectl describe hpa NAME-predictor`",
    ],
  },
  {
    name: "LockstepModelFails",
    when: "a version goes on failing to be fetched, loaded or warmed up",
    expr: `sum by (${MODEL}, reason) (increase(${REPLICA.modelFailures}[15m])) > 0`,
    for: "15m",
    severity: "warning",
    summary: `${OF_MODEL} cannot be loaded`,
    description: "{{ $value | humanize }} attempts failed in 15 minutes: {{ $labels.reason }}.",
    meaning: "A version is not fetched, loaded or warmed up, or it crashes. What answered before goes on answering.",
    steps: [
      "The [reason](reference/reasons.md) says what to do.",
      "`status.failures` of the InferenceService has the message.",
    ],
  },
  {
    name: "LockstepVersionsDiffer",
    when: "a version, or its very files, is not in all replicas of a model",
    expr: `count by (${MODEL}, version, digest) (${REPLICA.modelInfo})
  != on (${MODEL}) group_left ()
count by (${MODEL}) (count by (${MODEL}, pod) (${REPLICA.modelInfo}))`,
    for: "15m",
    severity: "warning",
    summary: `Replicas of ${OF_MODEL} have different versions`,
    description: "Version {{ $labels.version }} ({{ $labels.digest }}) is in {{ $value }} of the replicas only.",
    meaning:
      "While a version is fetched this is as it should be; for a quarter of an hour it is not. With `snapshotConsistency: Lockstep` answers are of one version all the same. The same version with two digests means that somebody has changed its files in place.",
    steps: [
      "`kubectl get isvc NAME -o yaml`: reason [SwitchBlocked](reference/reasons.md#switchblocked) or [VersionSkew](reference/reasons.md#versionskew) names the replica that is behind.",
      "Two digests of one version: publish it anew under a new number.",
    ],
  },
  {
    name: "LockstepSwitchHeldLong",
    when: "a change of versions let requests wait for more than a second",
    expr: `histogram_quantile(0.99, sum by (${MODEL}, le) (increase(${REPLICA.switchHeld}_bucket[15m]))) > 1`,
    for: "0m",
    severity: "warning",
    summary: `${OF_MODEL}: a change of versions held requests for long`,
    description: "Requests waited for up to {{ $value | humanizeDuration }} while all replicas changed over.",
    meaning: "Usually they wait some milliseconds. The operator could not reach a replica in time, or was itself slow.",
    steps: [
      "The operator's log has each step of the switch; see [version switch](version-switch.md).",
      "Are the operator or a replica short of CPU?",
    ],
  },
];

const OPERATOR_ALERTS: readonly Alert[] = [
  {
    name: "LockstepOperatorAbsent",
    when: "no operator tells its metrics",
    expr: `absent(${OPERATOR.leader})`,
    for: "10m",
    severity: "critical",
    summary: "No operator of Lockstep tells its metrics",
    description: "Prometheus has had no metrics of an operator for 10 minutes.",
    meaning:
      "No operator runs, or it is not scraped. Replicas go on answering; changes, repairs and scaling on Lockstep's own metrics wait.",
    steps: [
      "`kubectl --namespace lockstep-system get pods`",
      "If they run: is `metrics.serviceMonitor.enabled` set, and does Prometheus select it? Where the operator is not to be scraped, leave this alert out.",
    ],
  },
  {
    name: "LockstepOperatorWithoutLeader",
    when: "operators run, and none leads",
    expr: `sum by (namespace) (${OPERATOR.leader}) < 1`,
    for: "2m",
    severity: "critical",
    summary: "No operator of Lockstep in {{ $labels.namespace }} leads",
    description: "Operators run, and none of them has led for 2 minutes.",
    meaning: "Nobody reconciles. A new leader is found within 15 seconds where the API server takes the Lease.",
    steps: [
      "`kubectl --namespace lockstep-system get lease lockstep-operator -o yaml`",
      "The operators' logs say why they do not get it: most often the API server cannot be reached, or a role is missing.",
    ],
  },
  {
    name: "LockstepReconcilesFail",
    when: "InferenceServices cannot be reconciled",
    expr: `max by (namespace) (${OPERATOR.queueFailing}) > 0`,
    for: "15m",
    severity: "warning",
    summary: "The operator in {{ $labels.namespace }} fails to reconcile",
    description: "The last reconcile of {{ $value }} InferenceServices failed.",
    meaning: "What they ask for is not, or not wholly, what there is. They are tried again, ever less often.",
    steps: [
      "The operator's log names them and says why.",
      "`kubectl get isvc -A -o wide`: reasons [ObjectConflict](reference/reasons.md#objectconflict) and [ObjectRefused](reference/reasons.md#objectrefused) are for you to mend.",
    ],
  },
  {
    name: "LockstepWatchStale",
    when: "the operator has not heard of a kind of objects for two minutes",
    expr: `max by (namespace, pod, kind) (${OPERATOR.watchAge}) > 120`,
    for: "5m",
    severity: "warning",
    summary: "The operator's view of {{ $labels.kind }} is old",
    description: "{{ $labels.pod }} has not heard of {{ $labels.kind }} for {{ $value | humanizeDuration }}.",
    meaning: "It acts on what it knew then.",
    steps: [
      "Its log, and the dashboard's row *Operator*, panel *API requests*: does the API server answer, and with which status?",
    ],
  },
  {
    name: "LockstepInferenceServiceNotReady",
    when: "InferenceServices have Ready=False",
    expr: `max by (namespace) (${OPERATOR.services}{ready="False"}) > 0`,
    for: "15m",
    severity: "warning",
    summary: "InferenceServices are not ready",
    description: "{{ $value }} InferenceServices have had condition Ready=False.",
    meaning: "Nobody may answer for them.",
    steps: ["`kubectl get isvc -A -o wide` says which, and why."],
  },
  {
    name: "LockstepCertificateExpires",
    when: "the certificate of the metrics API ends within two weeks",
    expr: `min by (namespace) (${OPERATOR.metricsApiCertificate}) - time() < 14 * 86400`,
    for: "1h",
    severity: "warning",
    summary: "The certificate of the metrics API in {{ $labels.namespace }} is not renewed",
    description: "It is valid for another {{ $value | humanizeDuration }}.",
    meaning:
      "The leader renews it when two thirds of its time are over. Without it, autoscalers get no metrics of Lockstep.",
    steps: ["The leader's log says why it cannot write the Secret or the APIServices: most often a role is missing."],
  },
  {
    name: "LockstepActivatorRefuses",
    when: "requests that should wake a model are refused",
    expr: `sum by (namespace, reason) (increase(${OPERATOR.refusals}{reason!="stopped"}[10m])) > 0`,
    for: "5m",
    severity: "warning",
    summary: "Requests that should wake a model are refused",
    description: "{{ $value | humanize }} connections were refused in 10 minutes: {{ $labels.reason }}.",
    meaning: "`deadline`: a model did not wake up in time. `tooMany`: more waited for it than the operator holds.",
    steps: [
      "`kubectl get isvc -A -o wide`: which does not become ready, and why?",
      "[Scale to zero](scale-to-zero.md): `activator.deadlineMs` and `activator.maxHeld` of the chart.",
    ],
  },
];

/** All rules. */
export const RULE_GROUPS: readonly RuleGroup[] = [
  { name: "lockstep-recordings", recordings: RECORDINGS, alerts: [] },
  { name: "lockstep-replicas", recordings: [], alerts: REPLICA_ALERTS },
  { name: "lockstep-operator", recordings: [], alerts: OPERATOR_ALERTS },
  { name: "lockstep-data", recordings: [], alerts: DATA_ALERTS },
];
