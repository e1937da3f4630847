import { isLoading, type HarnessState } from "./harness.ts";

/** One version of a model, as the policy sees it. */
export interface VersionSnapshot {
  readonly version: number;
  readonly state: HarnessState;
  /** Whether the version should be served. */
  readonly isAspired: boolean;
  /** Whether it is loaded before newer ones. */
  readonly isFirst: boolean;
}

/** What to do next with the versions of a model. */
export type Action =
  | { readonly kind: "load"; readonly version: number }
  | { readonly kind: "unload"; readonly version: number }
  /** Something is under way, or everything is as it should be. */
  | { readonly kind: "none" }
  /** Nothing can be done before this, in the clock's ms. */
  | { readonly kind: "wait"; readonly untilMs: number };

/**
 * Decides the one next step for a model; it is asked again after each. The model stays available: the new version is
 * loaded before the old one is unloaded, which only goes when an aspired one answers or none is aspired any more. One
 * load at a time. What leaves may take its time, as long as somebody uses it, and keeps nothing else from being done.
 */
export function nextAction(versions: readonly VersionSnapshot[], nowMs: number): Action {
  if (versions.some(({ state }) => isLoading(state))) return { kind: "none" };
  const aspired = versions
    .filter(({ isAspired }) => isAspired)
    .sort((a, b) => Number(b.isFirst) - Number(a.isFirst) || b.version - a.version);
  const unwanted = versions.filter(({ isAspired, state }) => !isAspired && !isLeaving(state));

  // What never answered is dropped at once; what answers is kept until an aspired version does.
  const idle = unwanted.find(({ state }) => state.kind !== "ready");
  if (idle !== undefined) return { kind: "unload", version: idle.version };
  const isReplaced = aspired.length === 0 || aspired.some(({ state }) => state.kind === "ready");
  const [replaced] = unwanted;
  if (replaced !== undefined && isReplaced) return { kind: "unload", version: replaced.version };

  // What answers, or is to be compared with, then the newest: it is the one that requests without a version are for.
  const due = aspired.find(({ state }) => retryAtOf(state) <= nowMs);
  if (due !== undefined) return { kind: "load", version: due.version };
  const untilMs = Math.min(...aspired.map(({ state }) => retryAtOf(state)));
  return untilMs === Number.POSITIVE_INFINITY ? { kind: "none" } : { kind: "wait", untilMs };
}

function isLeaving({ kind }: HarnessState): boolean {
  return kind === "quiescing" || kind === "unloading" || kind === "disabled";
}

/** When a version may be loaded; infinity if it needs no loading. */
function retryAtOf(state: HarnessState): number {
  if (state.kind === "new") return Number.NEGATIVE_INFINITY;
  return state.kind === "error" ? state.failure.retryAtMs : Number.POSITIVE_INFINITY;
}
