import type { StatusLoading } from "../../common/inferenceservice.gen.ts";
import type { ObservedReplica } from "./observation.ts";

/**
 * How far the replicas are that fetch, together: of the newest version that any of them fetches. Undefined while none
 * does. The total is known if each of them knows its own.
 */
export function loadingOf(replicas: readonly ObservedReplica[]): StatusLoading | undefined {
  const all = replicas
    .filter(({ pod }) => pod.metadata.deletionTimestamp === undefined)
    .flatMap(({ state }) => state?.models.map(({ loading }) => loading) ?? [])
    .filter((loading) => loading !== undefined);
  if (all.length === 0) return undefined;
  const version = Math.max(...all.map((loading) => loading.version));
  const newest = all.filter((loading) => loading.version === version);
  const bytesDone = newest.reduce((sum, loading) => sum + loading.bytesDone, 0);
  let bytesTotal: number | undefined = 0;
  for (const loading of newest)
    bytesTotal =
      bytesTotal === undefined || loading.bytesTotal === undefined ? undefined : bytesTotal + loading.bytesTotal;
  return { version, bytesDone, ...(bytesTotal !== undefined && { bytesTotal }) };
}

/** Says it, such as `fetching version 3: 120 of 500 MB`. */
export function describeLoading({ version, bytesDone, bytesTotal }: StatusLoading): string {
  const digits = (bytesTotal ?? bytesDone) < 10e6 ? 1 : 0;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(digits);
  const total = bytesTotal === undefined ? "" : ` of ${megabytes(bytesTotal)}`;
  return `fetching version ${version}: ${megabytes(bytesDone)}${total} MB`;
}
