import { describe, expect, test } from "vitest";
import {
  publishedStateOf,
  transition,
  type Failure,
  type HarnessEvent,
  type HarnessState,
} from "../../../../runtime/core/harness.ts";

const failure: Failure = { reason: "InvalidModel", message: "not a model", count: 1, retryAtMs: 5 };
const again: Failure = { ...failure, count: 2 };
const progress = { bytesDone: 0, bytesTotal: undefined };

const STATES: Record<HarnessState["kind"], HarnessState> = {
  new: { kind: "new" },
  fetching: { kind: "fetching", progress },
  loading: { kind: "loading" },
  "warming-up": { kind: "warming-up" },
  ready: { kind: "ready" },
  quiescing: { kind: "quiescing" },
  unloading: { kind: "unloading" },
  disabled: { kind: "disabled" },
  error: { kind: "error", failure },
};
const EVENTS: Record<HarnessEvent["kind"], HarnessEvent> = {
  "load-requested": { kind: "load-requested" },
  progressed: { kind: "progressed", progress: { bytesDone: 7, bytesTotal: 9 } },
  fetched: { kind: "fetched" },
  loaded: { kind: "loaded" },
  "warmed-up": { kind: "warmed-up" },
  failed: { kind: "failed", failure: again },
  cancelled: { kind: "cancelled" },
  "unload-requested": { kind: "unload-requested" },
  reconsidered: { kind: "reconsidered" },
  recalled: { kind: "recalled" },
  drained: { kind: "drained" },
  unloaded: { kind: "unloaded" },
};

/** All that can happen; whatever is not here is a mistake of the caller. */
const POSSIBLE: readonly [HarnessState["kind"], HarnessEvent["kind"], HarnessState["kind"]][] = [
  ["new", "load-requested", "fetching"],
  ["error", "load-requested", "fetching"],
  ["fetching", "progressed", "fetching"],
  ["fetching", "fetched", "loading"],
  ["loading", "loaded", "warming-up"],
  ["warming-up", "warmed-up", "ready"],
  ["fetching", "failed", "error"],
  ["loading", "failed", "error"],
  ["warming-up", "failed", "error"],
  ["ready", "failed", "error"],
  ["fetching", "cancelled", "disabled"],
  ["loading", "cancelled", "disabled"],
  ["warming-up", "cancelled", "disabled"],
  ["new", "unload-requested", "disabled"],
  ["error", "unload-requested", "disabled"],
  ["ready", "unload-requested", "quiescing"],
  ["error", "reconsidered", "new"],
  ["quiescing", "recalled", "ready"],
  ["quiescing", "drained", "unloading"],
  ["unloading", "unloaded", "disabled"],
];

describe("the states of a version", () => {
  test.each(POSSIBLE)("%s, %s: %s", (from, event, to) => {
    expect(transition(STATES[from], EVENTS[event]).kind).toBe(to);
  });

  const impossible = Object.values(STATES).flatMap((state) =>
    Object.values(EVENTS)
      .filter((event) => !POSSIBLE.some(([from, kind]) => from === state.kind && kind === event.kind))
      .map((event) => [state, event] as const),
  );
  test.each(impossible)("$0.kind, $1.kind: impossible", (state, event) => {
    expect(() => transition(state, event)).toThrow(`a version that is ${state.kind} cannot be ${event.kind}`);
  });

  test("a failure is remembered until the version is ready", () => {
    let state = transition(STATES.error, EVENTS["load-requested"]);
    expect(state).toEqual({ kind: "fetching", progress, failure });
    state = transition(state, EVENTS.progressed);
    expect(state).toEqual({ kind: "fetching", progress: { bytesDone: 7, bytesTotal: 9 }, failure });
    state = transition(state, EVENTS.fetched);
    state = transition(state, EVENTS.loaded);
    expect(state).toEqual({ kind: "warming-up", failure });
    expect(transition(state, EVENTS.failed)).toEqual({ kind: "error", failure: again });
    expect(transition(state, EVENTS["warmed-up"])).toEqual({ kind: "ready" });
  });

  test.each([
    ["new", "Start"],
    ["error", "Start"],
    ["fetching", "Loading"],
    ["loading", "Loading"],
    ["warming-up", "Loading"],
    ["ready", "Available"],
    ["quiescing", "Unloading"],
    ["unloading", "Unloading"],
    ["disabled", "End"],
  ] as const)("%s is published as %s", (kind, published) => {
    expect(publishedStateOf(STATES[kind])).toBe(published);
  });
});
