import { expect, test, vi } from "vitest";
import type { Serving } from "../../../../common/admin-api.ts";
import { ModelGate } from "../../../../runtime/serving/model-gate.ts";
import type { GateState } from "../../../../runtime/traffic/gate-state.ts";

const NEVER = new AbortController().signal;
const A: Serving = { version: 1, labels: {} };
const B: Serving = { version: 2, labels: {} };

function setUp() {
  const log: string[] = [];
  const gate = new ModelGate({
    model: { activate: (serving) => void log.push(`activate ${serving?.version ?? "none"}`) },
    onChange: (state: GateState) => void log.push(state.kind),
    now: () => performance.now(),
  });
  let number = 0;
  const serve = (epoch: number, serving: Serving) =>
    gate.tell({ kind: "serve", order: { term: 1, number: ++number }, epoch, serving, isPrepared: true });
  const fence = (ttlMs: number) =>
    gate.tell({ kind: "fence", order: { term: 1, number: ++number }, nowMs: performance.now(), ttlMs });
  return { gate, log, serve, fence };
}

test("holds nobody before and after a fence, and lets go on only after the new version is active", async () => {
  const { gate, log, serve, fence } = setUp();
  expect(gate.hold(NEVER)).toBeUndefined();
  serve(1, A);
  expect(gate.hold(NEVER)).toBeUndefined();
  fence(60_000);
  const held = gate.hold(NEVER)?.then(() => log.push("went on"));
  expect(gate.describe()).toEqual({ kind: "Fenced", term: 1, epoch: 1, held: 1 });
  serve(2, B);
  await held;
  expect(log).toEqual(["activate 1", "Serving", "Fenced", "activate 2", "Serving", "went on"]);
  expect(gate.describe()).toEqual({ kind: "Serving", term: 1, epoch: 2, held: 0 });
  gate.close();
});

test("refuses what it holds when nobody lifts the fence in time, and serves again when it is told", async () => {
  const { gate, log, serve, fence } = setUp();
  serve(1, A);
  fence(20);
  await expect(gate.hold(NEVER)).rejects.toMatchObject({ code: "Unavailable" });
  expect(log.slice(3)).toEqual(["activate none", "Unsure"]);
  expect(gate.hold(NEVER)).toBeUndefined();
  serve(1, A);
  expect(gate.describe()).toEqual({ kind: "Serving", term: 1, epoch: 1, held: 0 });
});

test("a client that goes away is held no longer", async () => {
  const { gate, serve, fence } = setUp();
  serve(1, A);
  fence(60_000);
  const gone = new AbortController();
  const held = gate.hold(gone.signal);
  gone.abort(new Error("gone"));
  await expect(held).rejects.toThrow("gone");
  await vi.waitFor(() => expect(gate.describe().held).toBe(0));
  gate.close();
});

test("refuses what it holds when the replica stops", async () => {
  const { gate, serve, fence } = setUp();
  serve(1, A);
  fence(60_000);
  const held = gate.hold(NEVER);
  gate.close();
  await expect(held).rejects.toMatchObject({ code: "Unavailable" });
});
