import { OPERATOR, REPLICA } from "./metric-names.ts";
import type { Panel } from "./panel-table.ts";
import type { Alert } from "./rule-table.ts";

/** Alerts on drift and the payload log. */
export const DATA_ALERTS: readonly Alert[] = [
  {
    name: "LockstepDataDrifts",
    when: "a version's inputs or outputs are no longer like its reference",
    expr: `max by (inference_service_namespace, inference_service, version) (${OPERATOR.driftState}{state="Drifting"}) == 1`,
    for: "15m",
    severity: "warning",
    summary: "The data of {{ $labels.inference_service_namespace }}/{{ $labels.inference_service }} drifts",
    description: "What version {{ $labels.version }} is asked, or what it answers, is no longer like its reference.",
    meaning:
      "The model is asked about something else than it was made for, or it answers otherwise than it used to. It may still be right.",
    steps: [
      "Condition `Drifting` and `status.drift` of the InferenceService name the features, and how far each has moved.",
      "Dashboard, row *Drift*: since when? A step is a client or a pipeline that changed; a slope is the world.",
      "If the new data is right, train on it and publish the version with its profile, or have the reference [learned anew](drift.md#learning-it-anew), if it was learned and not published.",
    ],
  },
  {
    name: "LockstepPayloadsDropped",
    when: "payloads that should be logged are not",
    expr: `sum by (namespace, inferenceservice, sink, reason) (increase(${REPLICA.payloadsDropped}[15m])) > 0`,
    for: "15m",
    severity: "warning",
    summary: "Payloads of {{ $labels.namespace }}/{{ $labels.inferenceservice }} are not logged",
    description:
      "{{ $value | humanize }} payloads were dropped in 15 minutes, for sink {{ $labels.sink }}: {{ $labels.reason }}.",
    meaning: "The payload log has gaps. Requests are answered all the same: logging never holds them up.",
    steps: [
      "Reason `sink`: where they are sent does not take them; the replica's log says what it answered.",
      "Reason `queue`: they come faster than they are taken. Log a sample, or give `logger.maxQueueSize` more.",
    ],
  },
];

/** Panels of drift, of outcomes and of the payload log. */
export const DATA_PANELS: readonly Panel[] = [
  {
    row: "Drift",
    title: "Population stability index, by feature",
    description: "Above 0.25 a feature is commonly said to have moved.",
    unit: "short",
    needs: "drift",
    targets: [
      {
        expr: `max by (model, version, side, feature) (${REPLICA.driftPsi}{$VERSION})`,
        legend: "{{model}} {{version}} {{side}} {{feature}}",
      },
    ],
  },
  {
    row: "Drift",
    title: "Rows that were not looked at",
    unit: "rowsps",
    needs: "drift",
    targets: [
      { expr: `sum by (model) (rate(${REPLICA.driftDropped}{$MODEL}[$__rate_interval]))`, legend: "{{model}}" },
    ],
  },
  {
    row: "Drift",
    title: "Share of predictions that were right",
    description: "Of those whose true outcome a client has told.",
    unit: "percentunit",
    needs: "feedback",
    targets: [
      {
        expr: `sum by (model, version) (rate(${REPLICA.outcomeCorrect}{$VERSION}[$__rate_interval])) / sum by (model, version) (rate(${REPLICA.outcomeRows}{$VERSION, kind="label"}[$__rate_interval]))`,
        legend: "{{model}} {{version}}",
      },
    ],
  },
  {
    row: "Payload log",
    title: "Payloads, by what became of them",
    unit: "reqps",
    needs: "payload log",
    targets: [
      {
        expr: `sum by (sink) (rate(${REPLICA.payloadsLogged}{$REPLICA}[$__rate_interval]))`,
        legend: "logged to {{sink}}",
      },
      {
        expr: `sum by (sink, reason) (rate(${REPLICA.payloadsDropped}{$REPLICA}[$__rate_interval]))`,
        legend: "dropped for {{sink}}: {{reason}}",
      },
    ],
  },
  {
    row: "Payload log",
    title: "Memory of payloads that wait",
    unit: "bytes",
    needs: "payload log",
    targets: [{ expr: `max by (pod) (${REPLICA.payloadsHeld}{$REPLICA})`, legend: "{{pod}}" }],
  },
];
