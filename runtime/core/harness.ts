import type { ReplicaVersion } from "../../common/admin-api.ts";
import type { ReplicaFailureReason } from "../../common/reasons.ts";

/** Why a version, or the search for versions, failed the last time. */
export interface Failure {
  readonly reason: ReplicaFailureReason;
  /** For people. */
  readonly message: string;
  /** How many times in a row. */
  readonly count: number;
  /** When to try again, in the clock's ms. */
  readonly retryAtMs: number;
}

/**
 * What one version of one model is going through. The machine needs more states than observers may rely on: those see
 * {@link publishedStateOf}. A `failure` stays with a version while it is tried again, until it is ready.
 *
 *     new ─> fetching ─> loading ─> warming-up ─> ready <─> quiescing ─> unloading ─> disabled
 *      ^         └──────────┴───────────┴──────────┘
 *      │                    failed
 *      └──────── retried ── error ── unload ─> disabled
 */
export type HarnessState =
  | { readonly kind: "new"; readonly failure?: Failure }
  | { readonly kind: "fetching"; readonly progress: FetchProgress; readonly failure?: Failure }
  | { readonly kind: "loading"; readonly failure?: Failure }
  | { readonly kind: "warming-up"; readonly failure?: Failure }
  | { readonly kind: "ready" }
  /** Not lent any more; handles that are out are waited for. */
  | { readonly kind: "quiescing" }
  | { readonly kind: "unloading" }
  /** The end: nothing of it is left. */
  | { readonly kind: "disabled" }
  | { readonly kind: "error"; readonly failure: Failure };

export interface FetchProgress {
  readonly bytesDone: number;
  readonly bytesTotal: number | undefined;
}

export type HarnessEvent =
  | { readonly kind: "load-requested" }
  | { readonly kind: "progressed"; readonly progress: FetchProgress }
  | { readonly kind: "fetched" }
  | { readonly kind: "loaded" }
  | { readonly kind: "warmed-up" }
  | { readonly kind: "failed"; readonly failure: Failure }
  /** Loading was given up, because the replica stops or the version is not wanted any more. */
  | { readonly kind: "cancelled" }
  /** What made it fail may be gone: it need not wait for its time. */
  | { readonly kind: "reconsidered" }
  | { readonly kind: "unload-requested" }
  /** It is wanted again before it was unloaded. */
  | { readonly kind: "recalled" }
  | { readonly kind: "drained" }
  | { readonly kind: "unloaded" };

/** The states in which an event can happen. */
const STATES_OF: Readonly<Record<HarnessEvent["kind"], readonly HarnessState["kind"][]>> = {
  "load-requested": ["new", "error"],
  progressed: ["fetching"],
  fetched: ["fetching"],
  loaded: ["loading"],
  "warmed-up": ["warming-up"],
  failed: ["fetching", "loading", "warming-up", "ready"],
  cancelled: ["fetching", "loading", "warming-up"],
  reconsidered: ["error"],
  "unload-requested": ["new", "error", "ready"],
  recalled: ["quiescing"],
  drained: ["quiescing"],
  unloaded: ["unloading"],
};

/** The state after an event. Throws for an event that cannot happen in this state: then its caller is wrong. */
export function transition(state: HarnessState, event: HarnessEvent): HarnessState {
  if (!STATES_OF[event.kind].includes(state.kind))
    throw new Error(`a version that is ${state.kind} cannot be ${event.kind}`);
  switch (event.kind) {
    case "load-requested":
      return { kind: "fetching", progress: { bytesDone: 0, bytesTotal: undefined }, ...failureOf(state) };
    case "progressed":
      return { kind: "fetching", progress: event.progress, ...failureOf(state) };
    case "fetched":
      return { kind: "loading", ...failureOf(state) };
    case "loaded":
      return { kind: "warming-up", ...failureOf(state) };
    case "warmed-up":
      return { kind: "ready" };
    case "failed":
      return { kind: "error", failure: event.failure };
    case "reconsidered":
      return { kind: "new", ...failureOf(state) };
    case "recalled":
      return { kind: "ready" };
    case "unload-requested":
      return { kind: state.kind === "ready" ? "quiescing" : "disabled" };
    case "drained":
      return { kind: "unloading" };
    case "unloaded":
    case "cancelled":
      return { kind: "disabled" };
    default:
      return event satisfies never;
  }
}

/** Whether something is being done to make the version answer. */
export function isLoading(state: HarnessState): boolean {
  return state.kind === "fetching" || state.kind === "loading" || state.kind === "warming-up";
}

/** The failure that a state carries, as a part of the next one. */
export function failureOf(state: HarnessState): { readonly failure?: Failure } {
  return "failure" in state && state.failure !== undefined ? { failure: state.failure } : {};
}

/**
 * What observers are told. `Available` is told after the version can be lent, `Unloading` before it cannot: whoever acts
 * on it is never surprised. A version in error starts again, hence `Start`.
 */
export function publishedStateOf(state: HarnessState): ReplicaVersion["state"] {
  switch (state.kind) {
    case "new":
    case "error":
      return "Start";
    case "fetching":
    case "loading":
    case "warming-up":
      return "Loading";
    case "ready":
      return "Available";
    case "quiescing":
    case "unloading":
      return "Unloading";
    case "disabled":
      return "End";
    default:
      return state satisfies never;
  }
}
