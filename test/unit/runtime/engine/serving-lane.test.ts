import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../../runtime/core/tensor.ts";
import type { SessionRun } from "../../../../runtime/engine/onnx-session.ts";
import { PendingRun } from "../../../../runtime/engine/pending-run.ts";
import { ServingLane } from "../../../../runtime/engine/serving-lane.ts";
import { ServingError } from "../../../../runtime/errors.ts";

const patience = new AbortController().signal;

/** A session whose runs end when the test says so. */
class FakeSession {
  readonly runs: { readonly row: unknown; readonly end: (run: SessionRun) => void }[] = [];
  isClosed = false;

  run(inputs: readonly Tensor[]): Promise<SessionRun> {
    const { promise, resolve } = Promise.withResolvers<SessionRun>();
    this.runs.push({ row: inputs[0]?.data[0], end: resolve });
    return promise;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

interface SetUp {
  readonly session: FakeSession;
  readonly lane: ServingLane;
  readonly ran: number[];
  readonly submit: (row: number, predictedMs: number, signal?: AbortSignal) => PendingRun;
  /** Ends the run that was the n-th to start, and lets what follows happen. */
  readonly end: (place: number) => Promise<void>;
}

function setUp(): SetUp {
  const session = new FakeSession();
  const ran: number[] = [];
  const lane = new ServingLane({
    session,
    policy: { maxRunMs: 1, maxBacklogMs: 2, handOverMs: 0.03 },
    heartbeat: undefined,
    ran: (run) => ran.push(Number(run.inputs[0]?.data[0])),
  });
  return {
    session,
    lane,
    ran,
    submit: (row, predictedMs, signal = patience) => {
      const input: Tensor = { name: "input", datatype: "FP32", shape: [1], data: Float32Array.of(row) };
      const run = new PendingRun({ inputs: [input], outputs: [] }, signal);
      run.predictedMs = predictedMs;
      lane.submit(run);
      return run;
    },
    end: async (place) => {
      session.runs[place]?.end({ kind: "ran", outputs: [], computeMs: 0.5 });
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("the serving thread's lane", () => {
  test("takes runs that are short enough, until too much waits", () => {
    const { lane, submit } = setUp();
    expect(lane.takes(1)).toBe(true);
    expect(lane.takes(1.1)).toBe(false);
    expect(lane.takes(Number.POSITIVE_INFINITY)).toBe(false);
    submit(1, 0.9);
    submit(2, 0.9);
    expect(lane.takes(0.1)).toBe(true);
    submit(3, 0.9);
    expect(lane.takes(0.1)).toBe(false);
  });

  test("starts about as much as one turn may take, and the rest in order when that has ended", async () => {
    const { session, ran, submit, end } = setUp();
    for (const row of [1, 2, 3, 4]) submit(row, 0.6);
    expect(session.runs.map(({ row }) => row)).toEqual([1, 2]);
    await end(0);
    expect(session.runs.map(({ row }) => row)).toEqual([1, 2, 3]);
    for (const place of [1, 2, 3]) await end(place);
    expect(ran).toEqual([1, 2, 3, 4]);
  });

  test("has no backlog when all is done", async () => {
    const { lane, submit, end } = setUp();
    for (const row of [1, 2, 3]) submit(row, 0.7);
    for (const place of [0, 1, 2]) await end(place);
    for (const row of [1, 2]) submit(row, 1);
    expect(lane.takes(0.1)).toBe(true);
  });

  test("forgets a run whose client went away while it waited", async () => {
    const { session, lane, ran, submit, end } = setUp();
    const client = new AbortController();
    submit(1, 1);
    const waiting = submit(2, 1.5, client.signal);
    expect(lane.takes(0.1)).toBe(false);
    client.abort(new Error("client went away"));
    await expect(waiting.result).rejects.toThrow("client went away");
    expect(lane.takes(0.1)).toBe(true);
    await end(0);
    expect(session.runs).toHaveLength(1);
    expect(ran).toEqual([1]);
  });

  test("rejects a run whose client went away while it ran, when it ends", async () => {
    const { lane, ran, submit, end } = setUp();
    const client = new AbortController();
    const running = submit(1, 1, client.signal);
    const rejected = running.result.catch((error: unknown) => error);
    client.abort(new Error("client went away"));
    await end(0);
    expect(await rejected).toEqual(new Error("client went away"));
    expect(ran).toEqual([1]);
    expect(lane.takes(1)).toBe(true);
  });

  test("tells why a run failed", async () => {
    const { session, ran, submit } = setUp();
    const run = submit(1, 1);
    session.runs[0]?.end({ kind: "run-failed", text: "Invalid rank for input: x Got: 1 Expected: 2", computeMs: 0 });
    await expect(run.result).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(ran).toEqual([1]);
  });

  test("closes the session when what runs has ended; what waits is rejected", async () => {
    const { session, lane, submit, end } = setUp();
    const running = submit(1, 1);
    const waiting = submit(2, 1);
    const rejected = waiting.result.catch((error: unknown) => error);
    lane.rejectWaiting(new ServingError("Unavailable", "the model is being unloaded"));
    const closed = lane.close();
    expect(await rejected).toMatchObject({ code: "Unavailable" });
    expect(session.isClosed).toBe(false);
    await end(0);
    await closed;
    expect(session.isClosed).toBe(true);
    expect(await running.result).toMatchObject({ timing: { computeMs: 0.5, batchSize: 1 } });
  });
});
