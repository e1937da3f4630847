import { describe, expect, test } from "vitest";
import { stepSwitch } from "../../../operator/rollout/switch-attempt.ts";
import { stepGate } from "../../../runtime/traffic/gate-state.ts";
import { runCount } from "../../fixtures/run-count.ts";
import { explore, MACHINES, type Bounds, type Machines } from "../../switch/explorer.ts";

/** `LOCKSTEP_EXPLORE_DEPTH=10` goes deeper; 9 takes a minute, each more about five times as long. */
const DEPTH = Number(process.env["LOCKSTEP_EXPLORE_DEPTH"] ?? (runCount(4) < 4 ? 6 : 8));
const BOUNDS: Bounds = {
  depth: DEPTH,
  replicas: 2,
  operators: 2,
  switches: 2,
  claims: 2,
  restarts: 1,
  crashes: 1,
  duplicates: 1,
};

describe("whatever the order of events", () => {
  test("no replica may answer with what a later epoch has replaced", { timeout: 600_000 }, () => {
    const { states, violation } = explore(BOUNDS);
    console.log(`${states} states to a depth of ${DEPTH}`);
    expect(violation).toBeUndefined();
    expect(states).toBeGreaterThan(1_000);
  });
});

/** Without what has nothing to do with the mistake, it is found sooner. */
const PLAIN = { ...BOUNDS, restarts: 0, crashes: 0, duplicates: 0 };

describe("the search finds", () => {
  test.each<[string, Bounds, Partial<Machines>]>([
    [
      "a switch that does not wait for all",
      { ...PLAIN, depth: 8, claims: 0, switches: 1 },
      {
        stepSwitch: (state, event) =>
          state.kind === "fencing" && event.kind === "fenced"
            ? { state: { kind: "writing", all: state.all }, effects: [{ kind: "writeRecord" }] }
            : stepSwitch(state, event),
      },
    ],
    [
      "a fence that runs out into the old version",
      { ...PLAIN, depth: 8, claims: 0, switches: 1 },
      {
        stepGate: (state, event) =>
          event.kind === "expired" && state.kind === "Fenced"
            ? { state: { kind: "Serving", last: state.last, epoch: state.epoch, serving: state.serving } }
            : stepGate(state, event),
      },
    ],
    [
      "commands without an order",
      { ...PLAIN, depth: 11, claims: 0, switches: 2 },
      {
        stepGate: (state, event) =>
          event.kind === "expired"
            ? stepGate(state, event)
            : stepGate({ ...state, last: { term: 0, number: 0 } }, event),
      },
    ],
    [
      "a switch whose lost write is taken for one that did not happen",
      { ...PLAIN, depth: 12, claims: 1, switches: 1 },
      {
        stepSwitch: (state, event) =>
          state.kind === "writing" && event.kind === "writeUnknown"
            ? {
                state: { kind: "aborted", because: { kind: "NotFenced", replicas: [] } },
                effects: [{ kind: "serve", which: "current", replicas: ["0"] }],
              }
            : stepSwitch(state, event),
      },
    ],
    [
      "a join without a look at the record",
      { ...PLAIN, depth: 12, claims: 1, switches: 1, restarts: 1, replicas: 2 },
      { readsBeforeServe: false },
    ],
  ])("%s", { timeout: 600_000 }, (_words, bounds, mutation) => {
    const { violation } = explore(bounds, { ...MACHINES, ...mutation });
    expect(violation).toBeDefined();
  });
});
