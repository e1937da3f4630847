import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Serving } from "../../../../common/admin-api.ts";
import { NEW_GATE, stepGate, type GateEvent, type GateState } from "../../../../runtime/traffic/gate-state.ts";

const A: Serving = { version: 1, digest: "sha256:a", labels: {} };
const B: Serving = { version: 2, digest: "sha256:b", labels: { stable: 1 } };
const at = (number: number, term = 1): { term: number; number: number } => ({ term, number });
const serving: GateState = { kind: "Serving", last: at(3), epoch: 5, serving: A };
const fenced: GateState = { kind: "Fenced", last: at(4), epoch: 5, serving: A, untilMs: 100 };
const unsure: GateState = { kind: "Unsure", last: at(4), epoch: 5, serving: A };
const serve = (epoch: number, what: Serving, isPrepared = true, order = at(9)): GateEvent => ({
  kind: "serve",
  order,
  epoch,
  serving: what,
  isPrepared,
});

describe("a gate", () => {
  test.each<[string, GateState, GateEvent, Partial<GateState>, string?]>([
    ["joins", NEW_GATE, serve(5, A), { kind: "Serving", epoch: 5, serving: A, last: at(9) }],
    ["does not join without the version", NEW_GATE, serve(5, A, false), { kind: "Unjoined" }, "NotPrepared"],
    ["that has not joined takes down a fence's term", NEW_GATE, fence(2), { kind: "Unjoined", last: at(2) }],
    ["is fenced", serving, fence(4), { kind: "Fenced", epoch: 5, serving: A, untilMs: 60 }],
    ["is fenced for longer", fenced, fence(5, 80), { kind: "Fenced", untilMs: 130 }],
    ["commits", fenced, serve(6, B), { kind: "Serving", epoch: 6, serving: B }],
    ["commits without a fence", serving, serve(6, B), { kind: "Serving", epoch: 6, serving: B }],
    ["is lifted, whatever is loaded", fenced, serve(5, A, false), { kind: "Serving", epoch: 5, serving: A }],
    ["loses patience", fenced, { kind: "expired", nowMs: 100 }, unsure],
    ["not before its time", fenced, { kind: "expired", nowMs: 99 }, fenced],
    ["has no patience to lose while it serves", serving, { kind: "expired", nowMs: 1e9 }, serving],
    ["that is unsure is not fenced: it answers nobody", unsure, fence(5), { kind: "Unsure", last: at(5) }],
    ["that is unsure may hear that nothing was changed", unsure, serve(5, A), { kind: "Serving", epoch: 5 }],
    ["that is unsure may hear that it was", unsure, serve(6, B), { kind: "Serving", epoch: 6 }],
    [
      "may answer no more with what was replaced",
      serving,
      serve(6, B, false),
      { kind: "Unsure", epoch: 6, serving: undefined },
      "NotPrepared",
    ],
    ["refuses an epoch that is over", serving, serve(4, B), serving, "OtherEpoch"],
    ["refuses another version for its epoch", serving, serve(5, B), serving, "OtherEpoch"],
    ["refuses what comes twice", serving, fence(3), serving, "Superseded"],
    ["refuses an older term, whatever its number", serving, fence(99, 30, 0), serving, "Superseded"],
    ["obeys a later term, whatever its number", serving, fence(1, 30, 2), { kind: "Fenced", last: at(1, 2) }],
    ["prepares in any state", unsure, { kind: "prepare", order: at(7) }, { kind: "Unsure", last: at(7) }],
  ])("%s", (_words, state, event, expected, refused) => {
    const step = stepGate(state, event);
    expect(step.state).toMatchObject(expected);
    expect(step.refused?.why).toBe(refused);
  });

  test("goes only forward, and answers with what an epoch was said to be", () => {
    const order = fc.record({ term: fc.integer({ min: 1, max: 3 }), number: fc.integer({ min: 1, max: 9 }) });
    const event: fc.Arbitrary<GateEvent> = fc.oneof(
      fc.record({ kind: fc.constant("prepare" as const), order }),
      fc.record({
        kind: fc.constant("fence" as const),
        order,
        nowMs: fc.nat(200),
        ttlMs: fc.integer({ min: 1, max: 50 }),
      }),
      fc.record({
        kind: fc.constant("serve" as const),
        order,
        epoch: fc.integer({ min: 1, max: 6 }),
        serving: fc.constantFrom(A, B),
        isPrepared: fc.boolean(),
      }),
      fc.record({ kind: fc.constant("expired" as const), nowMs: fc.nat(200) }),
    );
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        let state: GateState = NEW_GATE;
        for (const one of events) {
          const { state: next, refused } = stepGate(state, one);
          const epochs = [state, next].map((each) => ("epoch" in each ? each.epoch : 0));
          expect(epochs[1]).toBeGreaterThanOrEqual(epochs[0] ?? 0);
          // Only a command to serve leads to an answer.
          const beginsToAnswer = next.kind === "Serving" && state.kind !== "Serving";
          expect(!beginsToAnswer || one.kind === "serve").toBe(true);
          expect(refused?.why !== "Superseded" || next === state).toBe(true);
          state = next;
        }
      }),
    );
  });
});

function fence(number: number, ttlMs = 10, term = 1): GateEvent {
  return { kind: "fence", order: at(number, term), nowMs: 50, ttlMs };
}
