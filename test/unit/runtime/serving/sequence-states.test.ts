import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../../runtime/core/tensor.ts";
import type { SequencePosition } from "../../../../runtime/protocol/dialect.ts";
import { SequenceStates } from "../../../../runtime/serving/sequence-states.ts";

const ID = { name: "vad", version: 1 };
const patience = new AbortController().signal;

function at(id: string, place: Partial<SequencePosition> = {}): SequencePosition {
  return { id, isStart: false, isEnd: false, ...place };
}

function stateOf(value: number): ReadonlyMap<string, Tensor> {
  return new Map([["state", { name: "state", datatype: "FP32", shape: [1], data: Float32Array.of(value) }]]);
}

function setUp(config: { idleTimeoutMs?: number; maxCount?: number } = {}): {
  states: SequenceStates;
  clock: { nowMs: number };
  /** Takes a turn, adds one to the state, and tells the state that it found. */
  step: (position: SequencePosition) => Promise<number>;
} {
  const clock = { nowMs: 0 };
  const states = new SequenceStates({ idleTimeoutMs: 1_000, maxCount: 3, ...config }, () => clock.nowMs);
  const step = async (position: SequencePosition): Promise<number> => {
    using turn = await states.take(position, ID, patience);
    const found = Number(turn.tensors.get("state")?.data[0] ?? 0);
    await Promise.resolve();
    turn.keep(stateOf(found + 1));
    return found;
  };
  return { states, clock, step };
}

describe("a sequence", () => {
  test("hands the state from each request to the next, until it ends", async () => {
    const { states, step } = setUp();
    expect(await step(at("a", { isStart: true }))).toBe(0);
    expect(await step(at("a"))).toBe(1);
    expect(await step(at("a", { isEnd: true }))).toBe(2);
    expect(states.size).toBe(0);
    await expect(step(at("a"))).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("starts anew when told so", async () => {
    const { step } = setUp();
    await step(at("a", { isStart: true }));
    expect(await step(at("a", { isStart: true }))).toBe(0);
    expect(await step(at("a"))).toBe(1);
  });

  test("does not see another's state", async () => {
    const { step } = setUp();
    await step(at("a", { isStart: true }));
    await step(at("a"));
    expect(await step(at("b", { isStart: true }))).toBe(0);
    expect(await step(at("a"))).toBe(2);
    expect(await step(at("b"))).toBe(1);
  });

  test("keeps its state when a request fails, so that it can be repeated", async () => {
    const { states, step } = setUp();
    await step(at("a", { isStart: true }));
    {
      using turn = await states.take(at("a"), ID, patience);
      expect(turn.tensors.get("state")?.data).toEqual(Float32Array.of(1));
    }
    expect(await step(at("a"))).toBe(1);
  });

  test("lets its requests take turns in the order of their arrival", async () => {
    const { step } = setUp();
    const results = [step(at("a", { isStart: true })), step(at("a")), step(at("a")), step(at("a", { isEnd: true }))];
    expect(await Promise.all(results)).toEqual([0, 1, 2, 3]);
  });

  test("is over for those behind its last request, though that still waits for its answer", async () => {
    const { states, step } = setUp();
    const first = await states.take(at("a", { isStart: true }), ID, patience);
    const last = step(at("a", { isEnd: true }));
    await expect(step(at("a"))).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(states.versionOf(at("a"))).toBeUndefined();
    const anew = step(at("a", { isStart: true }));
    const behind = step(at("a"));
    first.keep(stateOf(7));
    first[Symbol.dispose]();
    expect(await Promise.all([last, anew, behind])).toEqual([7, 0, 1]);
    expect(states.size).toBe(1);
  });

  test("goes on when its last request fails or is given up, so that it can be repeated", async () => {
    const { states, step } = setUp();
    await step(at("a", { isStart: true }));
    {
      using _failed = await states.take(at("a", { isEnd: true }), ID, patience);
    }
    await expect(states.take(at("a", { isEnd: true }), ID, AbortSignal.abort(new Error("gone")))).rejects.toThrow(
      "gone",
    );
    expect(await step(at("a"))).toBe(1);
    expect(await step(at("a", { isEnd: true }))).toBe(2);
    expect(states.size).toBe(0);
  });

  test("stays over when a request before its last one is given up", async () => {
    const { states, step } = setUp();
    const first = await states.take(at("a", { isStart: true }), ID, patience);
    const client = new AbortController();
    const waiting = states.take(at("a"), ID, client.signal);
    const last = step(at("a", { isEnd: true }));
    client.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    await expect(step(at("a"))).rejects.toMatchObject({ code: "InvalidArgument" });
    first.keep(stateOf(7));
    first[Symbol.dispose]();
    expect(await last).toBe(7);
    expect(states.size).toBe(0);
  });

  test("passes over a request that is given up while it waits", async () => {
    const { states, step } = setUp();
    const first = await states.take(at("a", { isStart: true }), ID, patience);
    const client = new AbortController();
    const waiting = states.take(at("a"), ID, client.signal);
    const last = step(at("a"));
    const reason = new Error("client went away");
    client.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    first.keep(stateOf(7));
    first[Symbol.dispose]();
    expect(await last).toBe(7);
  });

  test("is forgotten when it is idle for too long, but not while a request uses it", async () => {
    const { states, clock, step } = setUp();
    await step(at("idle", { isStart: true }));
    const turn = await states.take(at("busy", { isStart: true }), ID, patience);
    clock.nowMs = 1_001;
    states.forgetIdle();
    await expect(step(at("idle"))).rejects.toMatchObject({ code: "InvalidArgument" });
    turn.keep(stateOf(5));
    turn[Symbol.dispose]();
    expect(await step(at("busy"))).toBe(5);
  });

  test("is forgotten in time, also behind one whose request was given up", async () => {
    const { states, clock, step } = setUp();
    await step(at("first", { isStart: true }));
    await step(at("second", { isStart: true }));
    clock.nowMs = 500;
    await expect(states.take(at("first"), ID, AbortSignal.abort(new Error("gone")))).rejects.toThrow("gone");
    clock.nowMs = 1_001;
    states.forgetIdle();
    expect(states.size).toBe(1);
    expect(await step(at("first"))).toBe(1);
  });

  test("is forgotten with its version, and only with that", async () => {
    const { states, step } = setUp();
    await step(at("a", { isStart: true }));
    states.forgetVersion(2);
    expect(states.versionOf(at("a"))).toBe(1);
    states.forgetVersion(1);
    expect(states.versionOf(at("a"))).toBeUndefined();
  });

  test("is answered by the version that it started with only", async () => {
    const { states, step } = setUp();
    await step(at("a", { isStart: true }));
    expect(states.versionOf(at("a"))).toBe(1);
    expect(states.versionOf(at("a", { isStart: true }))).toBeUndefined();
    await expect(states.take(at("a"), { name: "vad", version: 2 }, patience)).rejects.toMatchObject({
      code: "InvalidArgument",
    });
  });

  test("is refused when there are too many, and accepted when one has ended", async () => {
    const { step } = setUp({ maxCount: 1 });
    await step(at("a", { isStart: true }));
    await expect(step(at("b", { isStart: true }))).rejects.toMatchObject({ code: "ResourceExhausted" });
    await step(at("a", { isEnd: true }));
    expect(await step(at("b", { isStart: true }))).toBe(0);
  });
});

test("whatever the order of requests, each sees the state that the one before it left", async () => {
  const request = fc.record({ id: fc.constantFrom("a", "b", "c"), isStart: fc.boolean(), isEnd: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(request, { maxLength: 40 }), async (requests) => {
      const { states, step } = setUp();
      const model = new Map<string, number>();
      const expected: (number | "refused")[] = [];
      // All of them wait at once: each is in the sequence that its place among them says.
      for (const { id, isStart, isEnd } of requests) {
        const state = isStart ? 0 : model.get(id);
        expected.push(state ?? "refused");
        if (state === undefined) continue;
        if (isEnd) model.delete(id);
        else model.set(id, state + 1);
      }
      const found = await Promise.all(requests.map((each) => step(each).catch(() => "refused" as const)));
      expect(found).toEqual(expected);
      expect(states.size).toBeLessThanOrEqual(3);
    }),
  );
});
