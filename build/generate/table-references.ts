import type { VariableTable } from "../../common/environment.ts";
import type { ReasonDoc } from "../../common/reasons.ts";
import { code, notice, table } from "./markdown.ts";

/** Makes docs/reference/configuration.md. */
export function configurationReference(operator: VariableTable, runtime: VariableTable): string {
  const rows = (variables: VariableTable) =>
    Object.entries(variables).map(([name, variable]) => [
      code(name),
      variable.fallback === undefined ? "required" : code(variable.fallback),
      variable.doc,
    ]);
  const head = ["Variable", "Default", "What it sets"];
  return `${notice("operator/config.ts", "runtime/config.ts")}

# Configuration

Both processes are configured by environment variables and refuse to start when one is wrong. What a replica serves is
not configured here: it is in the InferenceService ([API reference](api.md)).

## Operator

The Helm chart sets these from its [values](../../charts/lockstep/README.md#values).

${table(head, rows(operator))}

## Runtime

On a cluster the operator sets what a replica needs. These are for a container that runs alone.

${table(head, rows(runtime))}
`;
}

/** Tables of reasons, by who finds them. */
export interface ReasonTables {
  readonly replica: Readonly<Record<string, ReasonDoc & { readonly retried: boolean }>>;
  readonly operator: Readonly<Record<string, ReasonDoc>>;
  readonly states: Readonly<Record<string, ReasonDoc>>;
}

/** Makes docs/reference/reasons.md, with a heading for each reason, so that each has an address. */
export function reasonsReference({ replica, operator, states }: ReasonTables): string {
  const section = (reasons: Readonly<Record<string, ReasonDoc & { readonly retried?: boolean }>>) =>
    Object.entries(reasons)
      .map(
        ([name, { meaning, remedy, retried }]) => `### ${name}\n\n${meaning}\n\n**Do:** ${remedy}${again(retried)}\n`,
      )
      .join("\n");
  return `${notice("common/reasons.ts", "operator/api/reasons.ts")}

# Reasons

The closed list of words in column REASON of \`kubectl get isvc\`, in \`status.conditions[].reason\`, in
\`status.failures[].reason\` and in events. [Troubleshooting](../troubleshooting.md) shows how to find them.

## A replica cannot serve

The replica itself reports these.

${section(replica)}
## A replica cannot run

The operator finds these in the objects that it makes, worst first. When several hold, the first is shown.

${section(operator)}
## Nothing is wrong

${table(
  ["Reason", "Meaning", "Do"],
  Object.entries(states).map(([name, { meaning, remedy }]) => [code(name), meaning, remedy]),
)}
`;
}

function again(retried: boolean | undefined): string {
  if (retried === undefined) return "";
  return retried
    ? "\n\nThe replica tries again by itself."
    : "\n\nTrying again would not help: the replica waits for a change of the InferenceService.";
}

/** Makes docs/reference/errors.md. */
export function errorsReference(
  codes: Readonly<Record<string, { readonly http: number; readonly grpc: number; readonly doc: string }>>,
): string {
  return `${notice("runtime/errors.ts")}

# Errors

The closed list of ways in which a request to a model can fail. The body of every error is
\`{"error": "..."}\`; its text names what was expected and what came, never data of the request.

${table(
  ["HTTP status", "Code", "Meaning"],
  Object.entries(codes)
    .toSorted(([, a], [, b]) => a.http - b.http)
    .map(([name, { http, doc }]) => [String(http), code(name), doc]),
)}
`;
}

/** A metric, as the tables of both processes have it. */
export interface MetricDoc {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** Makes docs/reference/metrics.md. */
export function metricsReference(operator: readonly MetricDoc[], runtime: readonly MetricDoc[]): string {
  const rows = (metrics: readonly MetricDoc[]) =>
    metrics.map(({ name, type, help, labels }) => [code(name), type, labels.map(code).join(", "), help]);
  const head = ["Metric", "Type", "Labels", "What it is"];
  return `${notice("runtime/monitoring", "operator/metrics.ts")}

# Metrics

Both processes answer \`GET /metrics\` on port 8080 in Prometheus' text format.
[Operations](../operations.md#metrics) says how to scrape them.

## Replicas

${table(head, rows(runtime))}

## Operator

And the process metrics of prom-client (\`process_*\`, \`nodejs_*\`).

${table(head, rows(operator))}
`;
}
