import type { Serving } from "../../common/admin-api.ts";
import type { ModelVersionPolicy } from "../../common/inferenceservice.gen.ts";
import type { ReplicaView } from "./rollout-snapshot.ts";

/** What the spec asks for, applied to the versions that there are. */
export interface Target {
  /** To be loaded, ascending. */
  readonly versions: readonly number[];
  /** To answer requests which name none; undefined before any version is known of. */
  readonly active: number | undefined;
  readonly labels: Readonly<Record<string, number>>;
}

/**
 * The versions to aim for. `listed` are those that some replica has found in the repository: one that sees less, because
 * its listing is older or its storage cannot be reached, does not take anything away.
 */
export function targetOf(
  policy: ModelVersionPolicy | undefined,
  labels: Readonly<Record<string, number>> | undefined,
  listed: readonly number[],
): Target {
  const served = servedBy(policy, listed);
  const named = Object.values(labels ?? {});
  return {
    versions: [...new Set([...served, ...named])].sort((a, b) => a - b),
    active: served.at(-1),
    labels: labels ?? {},
  };
}

function servedBy(policy: ModelVersionPolicy | undefined, listed: readonly number[]): readonly number[] {
  if (policy?.specific !== undefined) return policy.specific.versions.toSorted((a, b) => a - b);
  if (policy?.all !== undefined) return listed;
  return listed.slice(-(policy?.latest?.count ?? 1));
}

/** Every version that some replica has found, ascending. */
export function listedVersions(replicas: readonly ReplicaView[]): number[] {
  const listed = replicas.flatMap(({ model }) => model?.listed ?? []);
  return [...new Set(listed)].sort((a, b) => a - b);
}

/** What to serve when the target is reached, with the digest of the version where a replica knows it. */
export function servingOf(
  target: Target,
  replicas: readonly ReplicaView[],
  current: Serving | undefined,
): Serving | undefined {
  if (target.active === undefined) return undefined;
  const known = current?.version === target.active ? current.digest : undefined;
  const digest = known ?? digestOf(target.active, replicas);
  return { version: target.active, ...(digest !== undefined && { digest }), labels: target.labels };
}

/** The digest under which a replica has a version ready; of several, that of the first. */
export function digestOf(version: number, replicas: readonly ReplicaView[]): string | undefined {
  for (const { model } of replicas) {
    const found = model?.versions.find((one) => one.version === version && one.state === "Available");
    if (found?.digest !== undefined) return found.digest;
  }
  return undefined;
}
