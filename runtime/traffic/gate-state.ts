import type { CommandRefusal, Serving } from "../../common/admin-api.ts";

/** Where a command stands among all: by term, then by number. */
export interface CommandOrder {
  readonly term: number;
  readonly number: number;
}

/**
 * What a replica does with requests that name no version, as a state machine without time and sockets. `last` is the
 * greatest command that it has had.
 *
 *     Unjoined ── serve ──> Serving ── fence ──> Fenced ── serve ──> Serving
 *                                                  └── expired ──> Unsure ── serve ──> Serving
 *
 * There is no way from Fenced or Unsure back to an answer but a command: whoever guesses that the old version may go on
 * cannot know that nobody else answers with the new one already.
 */
export type GateState =
  | { readonly kind: "Unjoined"; readonly last: CommandOrder }
  | { readonly kind: "Serving"; readonly last: CommandOrder; readonly epoch: number; readonly serving: Serving }
  | {
      readonly kind: "Fenced";
      readonly last: CommandOrder;
      readonly epoch: number;
      readonly serving: Serving;
      /** When the patience ends, in the clock's ms. */
      readonly untilMs: number;
    }
  /** `serving` is what the replica answered with, if `epoch` is still the one of that answer. */
  | {
      readonly kind: "Unsure";
      readonly last: CommandOrder;
      readonly epoch: number;
      readonly serving: Serving | undefined;
    };

/** What can happen to a gate. */
export type GateEvent =
  | { readonly kind: "prepare"; readonly order: CommandOrder }
  | { readonly kind: "fence"; readonly order: CommandOrder; readonly nowMs: number; readonly ttlMs: number }
  | {
      readonly kind: "serve";
      readonly order: CommandOrder;
      readonly epoch: number;
      readonly serving: Serving;
      /** Whether the version is loaded, and is the file that is meant. */
      readonly isPrepared: boolean;
    }
  | { readonly kind: "expired"; readonly nowMs: number };

/** The state after an event, and why a command was refused. */
export interface GateStep {
  readonly state: GateState;
  readonly refused?: { readonly why: CommandRefusal["refused"]; readonly message: string };
}

/** The gate of a process that has just started. */
export const NEW_GATE: GateState = { kind: "Unjoined", last: { term: 0, number: 0 } };

/** The state after an event. A command that is not above all before it changes nothing. */
export function stepGate(state: GateState, event: GateEvent): GateStep {
  if (event.kind === "expired") return { state: afterPatience(state, event.nowMs) };
  if (!isAbove(event.order, state.last)) {
    const [got, had] = [event.order, state.last].map(({ term, number }) => `${term}.${number}`);
    return { state, refused: { why: "Superseded", message: `expected a command above ${had}, got ${got}` } };
  }
  switch (event.kind) {
    case "prepare":
      return { state: { ...state, last: event.order } };
    case "fence":
      if (state.kind !== "Serving" && state.kind !== "Fenced") return { state: { ...state, last: event.order } };
      return {
        state: {
          kind: "Fenced",
          last: event.order,
          epoch: state.epoch,
          serving: state.serving,
          untilMs: event.nowMs + event.ttlMs,
        },
      };
    case "serve":
      return serve(state, event);
    default:
      return event satisfies never;
  }
}

function afterPatience(state: GateState, nowMs: number): GateState {
  if (state.kind !== "Fenced" || nowMs < state.untilMs) return state;
  return { kind: "Unsure", last: state.last, epoch: state.epoch, serving: state.serving };
}

function serve(state: GateState, event: Extract<GateEvent, { kind: "serve" }>): GateStep {
  const { order, epoch, serving, isPrepared } = event;
  const before = state.kind === "Unjoined" ? undefined : state;
  if (before !== undefined && epoch < before.epoch)
    return refuse(state, "OtherEpoch", `expected epoch ${before.epoch} or a later one, got ${epoch}`);
  const isSameEpoch = before !== undefined && epoch === before.epoch;
  if (isSameEpoch && before.serving !== undefined) {
    if (before.serving.version !== serving.version)
      return refuse(state, "OtherEpoch", `epoch ${epoch} is version ${before.serving.version}, got ${serving.version}`);
    // What it served before it may serve again, also while the engine is making a new start.
    return { state: { kind: "Serving", last: order, epoch, serving } };
  }
  if (isPrepared) return { state: { kind: "Serving", last: order, epoch, serving } };
  const refused = {
    why: "NotPrepared",
    message: `version ${serving.version} is not loaded, or is another file`,
  } as const;
  if (before === undefined) return { state: { ...state, last: order }, refused };
  // A later epoch is served elsewhere by now: the old version may answer no more.
  return { state: { kind: "Unsure", last: order, epoch, serving: undefined }, refused };
}

function refuse(state: GateState, why: CommandRefusal["refused"], message: string): GateStep {
  return { state, refused: { why, message } };
}

function isAbove(order: CommandOrder, last: CommandOrder): boolean {
  return order.term > last.term || (order.term === last.term && order.number > last.number);
}
