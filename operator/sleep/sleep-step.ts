/** How things stand with an InferenceService that may have no replica. */
export interface SleepSnapshot {
  /** `never`: it has at least one replica. `stopped`: nothing must answer. */
  readonly mode: "scalesToZero" | "never" | "stopped";
  /** The replicas that the Deployment is to have; undefined where there is none. */
  readonly replicas: number | undefined;
  /** Replicas that answer. */
  readonly ready: number;
  /** Whether nothing has come for long enough. */
  readonly isIdle: boolean;
  /** The activator's EndpointSlice, as it is now; undefined where there is none. */
  readonly slice:
    | {
        /** Whether kube-proxy sends requests to an operator by it, and they listen. */
        readonly isReady: boolean;
        /** Whether this leader wrote it: what an earlier one still tries to delete has changed since then. */
        readonly isMine: boolean;
      }
    | undefined;
}

/** The one next thing to do. */
export type SleepStep =
  /** Nothing: replicas answer, or nobody shall. */
  | { readonly kind: "nothing" }
  /** Bring requests to the operators, which hold them: now and as long as this is the step. */
  | { readonly kind: "cover" }
  /** The operators answer: the replicas may go. */
  | { readonly kind: "scaleToZero" }
  /** Replicas answer again, if kube-proxy knows of them already. */
  | { readonly kind: "uncover" }
  /** Nobody shall answer. */
  | { readonly kind: "remove" };

/**
 * Decides what to do, in the order in which nothing is lost: the operators answer before the last replica goes, and until
 * another one does.
 *
 * ```
 *   replicas:   ready        ready        none         starting      ready
 *   slice:      -            there        there        there         there -> -
 *   step:       nothing      scaleToZero  cover        cover         uncover
 * ```
 */
export function nextSleepStep(snapshot: SleepSnapshot): SleepStep {
  const { mode, replicas, ready, isIdle, slice } = snapshot;
  if (mode === "stopped") return slice === undefined ? { kind: "nothing" } : { kind: "remove" };
  const isAnswered = replicas !== 0 && ready > 0;
  if (mode === "never") {
    if (slice === undefined) return { kind: "nothing" };
    return isAnswered ? { kind: "uncover" } : { kind: "cover" };
  }
  if (replicas === undefined) return { kind: "nothing" };
  if (!isAnswered) return { kind: "cover" };
  if (!isIdle) return slice === undefined ? { kind: "nothing" } : { kind: "uncover" };
  return slice?.isReady === true && slice.isMine ? { kind: "scaleToZero" } : { kind: "cover" };
}
