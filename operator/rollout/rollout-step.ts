import type { ReplicaVersion, Serving } from "../../common/admin-api.ts";
import { isSameServing, type EpochRecord } from "./epoch-record.ts";
import type { ReplicaView, RolloutSnapshot, RolloutWish } from "./rollout-snapshot.ts";
import { listedVersions, servingOf, targetOf, type Target } from "./target.ts";

/** What replicas are to have loaded. */
export interface Preparation {
  readonly versions: readonly {
    readonly version: number;
    readonly digest?: string;
    readonly compatibleWith?: number;
  }[];
  readonly pollIntervalMs: number;
}

/** The one next thing to do for an InferenceService's versions. */
export type RolloutStep =
  /** Take the record over, or find out what it says: nothing may be told to anybody before. */
  | { readonly kind: "claim" }
  /** Say what is to be loaded. */
  | { readonly kind: "prepare"; readonly replicas: readonly ReplicaView[]; readonly preparation: Preparation }
  /** Bring these to the record's epoch: they join, have missed the switch, or are still fenced. */
  | { readonly kind: "serve"; readonly replicas: readonly ReplicaView[]; readonly record: ServedRecord }
  /** Write the first epoch of a source; nobody answers with anything else that could be mixed up with it. */
  | { readonly kind: "establish"; readonly serving: Serving }
  /** Change all replicas to what is to be served. */
  | { readonly kind: "switch"; readonly serving: Serving }
  /** Delete the pod, which keeps all others from their switch. */
  | { readonly kind: "evict"; readonly replica: ReplicaView }
  /** Nothing can be done before something changes, or before this time. */
  | { readonly kind: "wait"; readonly untilMs: number | undefined };

/** A record that has an epoch. */
export type ServedRecord = EpochRecord & { readonly serving: Serving };

/** A replica that is silent for so long is looked at as lost. */
export const LOST_AFTER_MS = 10_000;
/** So many switches may fail because of one replica before it is deleted. */
export const PATIENCE = 3;

/** Decides the next step; it is asked again after each. */
export function nextRolloutStep(snapshot: RolloutSnapshot): RolloutStep {
  const { record, identity, isRecordCertain, wish } = snapshot;
  if (!isRecordCertain || record === undefined || record.holder !== identity) return { kind: "claim" };
  const aim = aimOf(snapshot);
  const { replicas, served, serving } = aim;

  const preparation = preparationOf(aim, wish);
  const key = preparationKey(preparation);
  const untold = replicas.filter(
    ({ isReachable, told, instance }) => isReachable && instance !== undefined && told !== key,
  );
  if (untold.length > 0) return { kind: "prepare", replicas: untold, preparation };

  if (served !== undefined) {
    const behind = replicas.filter((replica) => replica.isReachable && mustBeServed(replica, served));
    if (behind.length > 0) return { kind: "serve", replicas: behind, record: served };
  }
  if (serving === undefined) return { kind: "wait", untilMs: undefined };
  if (served === undefined) {
    return replicas.some((replica) => isPrepared(replica, serving))
      ? { kind: "establish", serving }
      : { kind: "wait", untilMs: undefined };
  }
  if (isSameServing(served.serving, serving)) return { kind: "wait", untilMs: undefined };
  return stepOfSwitch(snapshot, { replicas, served, serving });
}

function stepOfSwitch(
  snapshot: RolloutSnapshot,
  {
    replicas,
    served,
    serving,
  }: { readonly replicas: readonly ReplicaView[]; readonly served: ServedRecord; readonly serving: Serving },
): RolloutStep {
  const { wish, obstinate, backOffUntilMs, nowMs } = snapshot;
  const awaited = (wish.consistency === "Strict" ? replicas : replicas.filter(({ isReachable }) => isReachable)).filter(
    // Whoever has not joined answers nobody, and joins at the next epoch; unless the version fails there.
    (replica) => replica.model?.gate?.kind !== "Unjoined" || failureOf(replica, serving.version) !== undefined,
  );
  if (awaited.length === 0) {
    if (!isGone(served.serving.version, replicas) || !replicas.some((replica) => isPrepared(replica, serving)))
      return { kind: "wait", untilMs: undefined };
    return nowMs < backOffUntilMs ? { kind: "wait", untilMs: backOffUntilMs } : { kind: "switch", serving };
  }
  const lost = wish.consistency === "Strict" ? replicas.filter((one) => isLost(one, obstinate, nowMs)) : [];
  const [first] = lost;
  // If none answers, it is rather the operator that is cut off.
  if (first !== undefined && lost.length < replicas.length && !first.isLeaving)
    return { kind: "evict", replica: first };
  const unready = awaited.filter((replica) => !isPrepared(replica, serving));
  if (unready.length > 0) return { kind: "wait", untilMs: nextLossMs(unready, nowMs) };
  if (nowMs < backOffUntilMs) return { kind: "wait", untilMs: backOffUntilMs };
  return { kind: "switch", serving };
}

/** The replicas whose versions are those that the spec means: others are about to be replaced, and serve on until then. */
export function members({ replicas, wish }: Pick<RolloutSnapshot, "replicas" | "wish">): ReplicaView[] {
  return replicas.filter(({ source }) => source === wish.source);
}

/** What is served, what shall be, and the replicas that it is about. */
export interface Aim {
  readonly replicas: readonly ReplicaView[];
  readonly target: Target;
  /** Undefined before the first version of the source is served. */
  readonly served: ServedRecord | undefined;
  /** Undefined before any version is known of. */
  readonly serving: Serving | undefined;
}

/** Applies the spec to what replicas have found, and to what is served. */
export function aimOf(snapshot: Pick<RolloutSnapshot, "replicas" | "wish" | "record">): Aim {
  const { wish, record } = snapshot;
  const replicas = members(snapshot);
  const target = targetOf(wish.policy, wish.labels, listedVersions(replicas));
  const served = servedRecord(record, wish.source);
  return { replicas, target, served, serving: servingOf(target, replicas, served?.serving) };
}

/** The record as far as it is about this source. */
function servedRecord(record: EpochRecord | undefined, source: string): ServedRecord | undefined {
  if (record?.serving === undefined || record.source !== source) return undefined;
  return { ...record, serving: record.serving };
}

/** Whether a replica could serve an epoch at once: version and labels are loaded, and the files are the right ones. */
export function isPrepared({ model }: ReplicaView, serving: Serving): boolean {
  const hasReady = (version: number, digest?: string): boolean =>
    model?.versions.some(
      (one) =>
        one.version === version &&
        one.state === "Available" &&
        (digest === undefined || one.digest === undefined || one.digest === digest),
    ) === true;
  return (
    hasReady(serving.version, serving.digest) && Object.values(serving.labels).every((version) => hasReady(version))
  );
}

/** Why a version cannot be served by a replica; undefined if it can, or may yet. */
export function failureOf({ model }: ReplicaView, version: number): ReplicaVersion["failure"] {
  return model?.versions.find((one) => one.version === version)?.failure;
}

/** Two preparations that are the same have the same key. */
export function preparationKey({ versions, pollIntervalMs }: Preparation): string {
  return JSON.stringify([
    versions.map(({ version, digest, compatibleWith }) => [version, digest, compatibleWith]),
    pollIntervalMs,
  ]);
}

/** What is to be loaded: the target, and what answers until the switch. */
export function preparationOf({ target, served, serving }: Omit<Aim, "replicas">, wish: RolloutWish): Preparation {
  const current = served === undefined ? [] : [served.serving.version, ...Object.values(served.serving.labels)];
  const numbers = [...new Set([...target.versions, ...current])].sort((a, b) => a - b);
  const digests = new Map<number, string | undefined>([
    ...(serving === undefined ? [] : [[serving.version, serving.digest] as const]),
    ...(served === undefined ? [] : [[served.serving.version, served.serving.digest] as const]),
  ]);
  // Only what is to become active must suit the clients of what is.
  const isChecked = (version: number): boolean =>
    wish.signatureChange === "Refuse" && version === target.active && version !== served?.serving.version;
  return {
    versions: numbers.map((version) => {
      const digest = digests.get(version);
      return {
        version,
        ...(digest !== undefined && { digest }),
        ...(served !== undefined && isChecked(version) && { compatibleWith: served.serving.version }),
      };
    }),
    pollIntervalMs: wish.pollIntervalMs,
  };
}

/**
 * Whether nobody answers with a version, nor will: all replicas are new, and each either cannot load it or finds that it was
 * removed from the repository. Whoever waited for somebody to join at it might wait forever.
 */
function isGone(version: number, replicas: readonly ReplicaView[]): boolean {
  return replicas.every((replica) => {
    const { model } = replica;
    if (model?.gate?.kind !== "Unjoined") return false;
    const isRemoved = model.listed !== undefined && !model.listed.includes(version);
    return isRemoved || failureOf(replica, version) !== undefined;
  });
}

function mustBeServed(replica: ReplicaView, record: ServedRecord): boolean {
  const gate = replica.model?.gate;
  if (gate === undefined) return false;
  if (gate.kind === "Serving" && gate.epoch === record.epoch) return false;
  // A fence is lifted whatever is loaded; whoever has no version to answer with cannot join, and one that is behind may answer no more.
  return gate.kind !== "Unjoined" && gate.kind !== "Unsure" ? true : isPrepared(replica, record.serving);
}

function isLost({ id, silentSinceMs }: ReplicaView, obstinate: ReadonlyMap<string, number>, nowMs: number): boolean {
  const isSilent = silentSinceMs !== undefined && nowMs - silentSinceMs >= LOST_AFTER_MS;
  return isSilent || (obstinate.get(id) ?? 0) >= PATIENCE;
}

function nextLossMs(replicas: readonly ReplicaView[], nowMs: number): number | undefined {
  const times = replicas
    .map(({ silentSinceMs }) => silentSinceMs)
    .filter((silentSinceMs) => silentSinceMs !== undefined)
    .map((silentSinceMs) => silentSinceMs + LOST_AFTER_MS)
    .filter((timeMs) => timeMs > nowMs);
  return times.length === 0 ? undefined : Math.min(...times);
}
