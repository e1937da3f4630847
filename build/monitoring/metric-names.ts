import { OPERATOR_METRICS } from "../../operator/metrics.ts";
import { RUNTIME_METRICS } from "../../runtime/monitoring/metric-table.ts";

/** Names of the replicas' metrics by their keys in the code: one that is renamed is renamed here, one that is gone is an error. */
export const REPLICA = namesOf(RUNTIME_METRICS);

/** Names of the operator's metrics, likewise. */
export const OPERATOR = namesOf(OPERATOR_METRICS);

/** Histograms by their names, whose series end in _bucket, _sum and _count. */
export const HISTOGRAMS: ReadonlySet<string> = new Set(
  [...Object.values(RUNTIME_METRICS), ...Object.values(OPERATOR_METRICS)]
    .filter(({ type }) => type === "histogram")
    .map(({ name }) => name),
);

function namesOf<Key extends string>(
  metrics: Readonly<Record<Key, { readonly name: string }>>,
): Readonly<Record<Key, string>> {
  return Object.fromEntries(
    Object.entries<{ readonly name: string }>(metrics).map(([key, { name }]) => [key, name]),
  ) as Record<Key, string>;
}
