import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { OPERATOR_STATES } from "../api/reasons.ts";
import type { TimelineEntry } from "./console-views.ts";

/** So many entries of one InferenceService are kept, the newest ones. */
const MAX_ENTRIES = 100;

/**
 * Takes down what changes in InferenceServices while this operator watches, as every replica of it does, whoever leads. So no
 * right to read events is needed. Bounded by the number of InferenceServices.
 */
export class Timeline {
  readonly #known = new Map<string, { seen: InferenceService; entries: readonly TimelineEntry[] }>();

  /** Takes down what is new of an InferenceService; undefined: it is gone. */
  note(key: string, isvc: InferenceService | undefined, nowMs: number): void {
    if (isvc === undefined) {
      this.#known.delete(key);
      return;
    }
    const known = this.#known.get(key);
    // Something else about it has changed, such as a pod.
    if (known?.seen === isvc) return;
    const isSame = known?.seen.metadata.uid === isvc.metadata.uid;
    const news = isSame && known !== undefined ? changesBetween(known.seen, isvc, nowMs) : firstEntries(isvc);
    const before = isSame ? (known?.entries ?? []) : [];
    this.#known.set(key, { seen: isvc, entries: [...before, ...news].slice(-MAX_ENTRIES) });
  }

  /** Newest first. */
  of(key: string): readonly TimelineEntry[] {
    return this.#known.get(key)?.entries.toReversed() ?? [];
  }
}

/** What an InferenceService says of its past when it is seen for the first time. */
export function firstEntries(isvc: InferenceService): TimelineEntry[] {
  const created = Date.parse(isvc.metadata.creationTimestamp ?? "");
  const entries: TimelineEntry[] = Number.isNaN(created) ? [] : [{ atMs: created, kind: "spec", text: "Created" }];
  for (const { type, status, reason, message, lastTransitionTime } of isvc.status?.conditions ?? []) {
    const text = `${type} is ${status} (${reason})${message === "" ? "" : `: ${message}`}`;
    entries.push({ atMs: Date.parse(lastTransitionTime), kind: kindOf(type, reason), text });
  }
  return entries.filter(({ atMs }) => Number.isFinite(atMs)).toSorted((a, b) => a.atMs - b.atMs);
}

/** What is worth telling of the step from one state of an InferenceService to another. */
export function changesBetween(before: InferenceService, after: InferenceService, atMs: number): TimelineEntry[] {
  return [
    ...changesOfSpec(before, after),
    ...changesOfVersion(before, after),
    ...changesOfConditions(before, after),
  ].map((entry) => ({ atMs, ...entry }));
}

type Change = Omit<TimelineEntry, "atMs">;

function changesOfSpec(before: InferenceService, after: InferenceService): Change[] {
  const changes: Change[] = [];
  if (before.spec.stop !== after.spec.stop)
    changes.push({ kind: "spec", text: after.spec.stop ? "Asked to stop" : "Asked to serve again" });
  const [was, is] = [rangeOf(before), rangeOf(after)];
  if (was !== is) changes.push({ kind: "spec", text: `Replicas asked for: ${is}, before ${was}` });
  return changes;
}

function changesOfVersion({ status: was = {} }: InferenceService, { status: is = {} }: InferenceService): Change[] {
  const { activeVersion, targetVersion, rollout } = is;
  const changes: Change[] = [];
  if (targetVersion !== was.targetVersion && targetVersion !== undefined && targetVersion !== activeVersion)
    changes.push({ kind: "version", text: `Version ${targetVersion} is asked for` });
  const phase = rollout?.phase;
  if (phase !== was.rollout?.phase && (phase === "Blocked" || phase === "Failed"))
    changes.push({ kind: "failure", text: `The change to version ${targetVersion ?? "?"} is ${phase.toLowerCase()}` });
  if (activeVersion === undefined || activeVersion === was.activeVersion) return changes;
  const held = rollout?.lastSwitchHeldMs;
  const from = was.activeVersion === undefined ? "" : `, before it version ${was.activeVersion}`;
  const waited = held === undefined || was.activeVersion === undefined ? "" : `; requests waited for ${held} ms`;
  return [...changes, { kind: "version", text: `All replicas serve version ${activeVersion}${from}${waited}` }];
}

/** Without Progressing and Available, which say no more than Ready and the versions do. */
function changesOfConditions({ status: was = {} }: InferenceService, { status: is = {} }: InferenceService): Change[] {
  return (is.conditions ?? [])
    .filter(({ type }) => type !== "Progressing" && type !== "Available")
    .filter(({ type, status, reason }) => {
      const old = was.conditions?.find((condition) => condition.type === type);
      return old?.status !== status || old.reason !== reason;
    })
    .map(({ type, status, reason, message }) => ({
      kind: kindOf(type, reason),
      text: `${type} is ${status} (${reason})${message === "" ? "" : `: ${message}`}`,
    }));
}

function kindOf(type: string, reason: string): TimelineEntry["kind"] {
  if (type === "Drifting") return "drift";
  return Object.hasOwn(OPERATOR_STATES, reason) ? "state" : "failure";
}

function rangeOf({ spec: { predictor } }: InferenceService): string {
  const { minReplicas, maxReplicas = minReplicas } = predictor;
  return minReplicas === maxReplicas ? `${minReplicas}` : `${minReplicas} to ${maxReplicas}`;
}
