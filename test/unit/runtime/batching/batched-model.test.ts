import { describe, expect, test } from "vitest";
import { createBatchedModel, type BatchKnowledge } from "../../../../runtime/batching/batched-model.ts";
import type { InferenceRequest, InferenceResult, LoadedModel } from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { ReplicaFailureError, ServingError } from "../../../../runtime/errors.ts";
import { ManualClock, settle } from "../../../fixtures/manual-clock.ts";
import { answerOf, HeldModel, requestOf, type RequestSpec } from "./held-model.ts";

interface SetUpOptions {
  readonly maxBatchSize?: number;
  readonly maxLatencyMs?: number;
  readonly maxQueue?: number;
  readonly batching?: BatchKnowledge | undefined;
}

/** A row costs least at 4. */
const BEST_AT_4: BatchKnowledge = {
  maxRows: 8,
  key: "2,",
  costs: [1, 2, 4, 8].map((rows) => ({ rows, computeMs: rows === 8 ? 16 : 4 })),
};

function setUp(options: SetUpOptions = {}): {
  engine: HeldModel;
  model: LoadedModel;
  clock: ManualClock;
  turn: () => Promise<void>;
  unbatchable: string[];
  ask: (firstId: number, spec?: RequestSpec) => Asked;
} {
  const engine = new HeldModel();
  const clock = new ManualClock();
  const unbatchable: string[] = [];
  const turns: (() => void)[] = [];
  const { maxBatchSize = 8, maxLatencyMs = 0, maxQueue = 100 } = options;
  const model = createBatchedModel(engine, {
    limits: { maxBatchSize, maxLatencyMs, maxQueue },
    batching: "batching" in options ? options.batching : { ...BEST_AT_4, maxRows: maxBatchSize },
    clock,
    afterTurn: (callback) => turns.push(callback),
    onUnbatchable: (why) => unbatchable.push(why),
  });
  const turn = async (): Promise<void> => {
    for (const callback of turns.splice(0)) callback();
    await settle();
  };
  const ask = (firstId: number, spec?: RequestSpec): Asked => askModel(model, requestOf(firstId, spec));
  return { engine, model, clock, turn, unbatchable, ask };
}

interface Asked {
  readonly request: InferenceRequest;
  readonly client: AbortController;
  /** Never rejects. */
  readonly outcome: Promise<InferenceResult | Error>;
}

function askModel(model: LoadedModel, request: InferenceRequest): Asked {
  const client = new AbortController();
  // The model owns the request's tensors: the expected answer is made of others.
  const kept = structuredClone(request);
  const outcome = model.infer(request, client.signal).catch((error: unknown) => error as Error);
  return { request: kept, client, outcome };
}

async function expectAnswered(asked: Asked): Promise<InferenceResult> {
  const outcome = await asked.outcome;
  expect(outcome).not.toBeInstanceOf(Error);
  const result = outcome as InferenceResult;
  expect(result.outputs).toEqual(answerOf(asked.request));
  return result;
}

const rowsOf = (engine: HeldModel): number[] => engine.runs.map(({ rows }) => rows);

describe("an engine that is free", () => {
  test("gets all that arrived in one turn as one run, and each request its own rows", async () => {
    const { engine, turn, ask } = setUp();
    const asked = [ask(10, { rows: 2, outputs: ["name", "sum"] }), ask(20, { outputs: ["twice"] })];
    expect(engine.runs).toHaveLength(0);
    await turn();
    expect(rowsOf(engine)).toEqual([3]);
    engine.inFlight[0]?.finish();
    for (const each of asked) expect((await expectAnswered(each)).timing.batchSize).toBe(3);
  });

  test("gets a full run without waiting for the turn to end", () => {
    const { engine, ask } = setUp();
    for (let id = 0; id < 5; id++) ask(id);
    expect(rowsOf(engine)).toEqual([4]);
  });

  test("runs on several instances at a time", async () => {
    const { engine, turn, ask } = setUp();
    engine.instances = 2;
    const asked = [0, 1, 2, 3, 4, 5, 6].map((id) => ask(id));
    await turn();
    expect(rowsOf(engine)).toEqual([4, 3]);
    while (engine.inFlight.length > 0) engine.inFlight[0]?.finish();
    for (const each of asked) await expectAnswered(each);
  });

  test("waits for others where that is configured, but no longer than told, nor once a run is full", async () => {
    const { engine, turn, clock, ask } = setUp({ maxLatencyMs: 5 });
    const first = ask(0);
    await turn();
    await clock.advance(3);
    ask(1);
    await turn();
    expect(engine.runs).toHaveLength(0);
    expect(clock.nextMs()).toBe(5);
    await clock.advance(2);
    expect(rowsOf(engine)).toEqual([2]);
    engine.inFlight[0]?.finish();
    expect((await expectAnswered(first)).timing.queueMs).toBe(5);
    await settle();
    for (let id = 0; id < 4; id++) ask(id);
    expect(rowsOf(engine)).toEqual([2, 4]);
  });
});

describe("an engine that is busy", () => {
  test("finds a second run when it has done, if that is full", async () => {
    const { engine, turn, ask } = setUp();
    ask(0);
    await turn();
    for (let id = 1; id < 4; id++) ask(id);
    expect(rowsOf(engine)).toEqual([1]);
    ask(4);
    expect(rowsOf(engine)).toEqual([1, 4]);
    for (let id = 5; id < 12; id++) ask(id);
    expect(rowsOf(engine)).toEqual([1, 4]);
    engine.inFlight[0]?.finish();
    await settle();
    expect(rowsOf(engine)).toEqual([1, 4, 4]);
  });

  test("gets no second run on the serving thread, and what arrives with its answers joins the next", async () => {
    const { engine, turn, ask } = setUp();
    engine.placement = "ServingThread";
    ask(0);
    await turn();
    for (let id = 1; id < 7; id++) ask(id);
    expect(rowsOf(engine)).toEqual([1]);
    engine.inFlight[0]?.finish();
    await settle();
    expect(rowsOf(engine)).toEqual([1]);
    await turn();
    expect(rowsOf(engine)).toEqual([1, 4]);
  });

  test("gets nothing of clients that are gone, who are told at once", async () => {
    const { engine, turn, ask } = setUp();
    const running = ask(0);
    await turn();
    const waiting = [ask(1), ask(2), ask(3)];
    const reason = new ServingError("Cancelled", "the client closed the connection");
    running.client.abort(reason);
    waiting[1]?.client.abort(reason);
    expect(await running.outcome).toBe(reason);
    expect(await waiting[1]?.outcome).toBe(reason);
    engine.inFlight[0]?.finish();
    await settle();
    expect(engine.runs[1]?.request.inputs[1]?.data).toEqual(["t1", "t3"]);
    engine.inFlight[0]?.finish();
    for (const index of [0, 2]) await expectAnswered(waiting[index] as Asked);
  });
});

describe("the queue", () => {
  test("is bounded", async () => {
    const { engine, turn, ask } = setUp({ maxQueue: 2 });
    ask(0);
    await turn();
    const waiting = [ask(1), ask(2)];
    for (const priority of ["interactive", "batch"] as const)
      expect(await ask(3, { priority }).outcome).toMatchObject({
        code: "ResourceExhausted",
        message: "requests: expected at most 2 waiting, got more",
        refusal: "queue",
      });
    waiting[0]?.client.abort(new ServingError("Cancelled", "gone"));
    const late = ask(5);
    engine.inFlight[0]?.finish();
    await settle();
    engine.inFlight[0]?.finish();
    await expectAnswered(late);
  });

  test("that is full lets interactive requests push out the youngest of priority batch", async () => {
    const { engine, turn, ask } = setUp({ maxQueue: 3 });
    ask(0);
    await turn();
    const batch = [ask(1, { priority: "batch" }), ask(2, { priority: "batch", width: 3 })];
    const interactive = [ask(3), ask(4)];
    expect(await batch[1]?.outcome).toMatchObject({ code: "ResourceExhausted", refusal: "priority" });
    interactive.push(ask(5));
    expect(await batch[0]?.outcome).toMatchObject({ code: "ResourceExhausted", refusal: "priority" });
    expect(await ask(6).outcome).toMatchObject({ refusal: "queue" });
    engine.inFlight[0]?.finish();
    await settle();
    expect(engine.runs[1]?.request.inputs[1]?.data).toEqual(["t3", "t4", "t5"]);
    engine.inFlight[0]?.finish();
    for (const each of interactive) await expectAnswered(each);
  });

  test("that is full lets a request go that has been run in part", async () => {
    const { engine, turn, ask } = setUp({ maxQueue: 1 });
    const large = ask(0, { priority: "batch", rows: 6 });
    await turn();
    expect(rowsOf(engine)).toEqual([4]);
    const interactive = ask(10);
    expect(await large.outcome).toMatchObject({ refusal: "priority" });
    engine.inFlight[0]?.finish();
    await settle();
    engine.inFlight[0]?.finish();
    await expectAnswered(interactive);
    expect(rowsOf(engine)).toEqual([4, 1]);
  });

  test("says that it has no room before there is a request, and why", async () => {
    const { engine, model, turn, ask } = setUp({ maxQueue: 2 });
    ask(0);
    await turn();
    ask(1);
    model.checkRoom?.();
    ask(2);
    expect(() => model.checkRoom?.()).toThrow("requests: expected at most 2 waiting, got more");
    expect(() => model.checkRoom?.({ priority: "batch" })).toThrow("expected at most 2 waiting");
    engine.inFlight[0]?.finish();
    await settle();
    model.checkRoom?.();
    engine.inFlight[0]?.finish();
    await model[Symbol.asyncDispose]();
    expect(() => model.checkRoom?.()).toThrow("the model is being unloaded");
  });

  test("takes more than its bound while the engine is free", async () => {
    const { engine, ask } = setUp({ maxQueue: 1 });
    const asked = [ask(0), ask(1)];
    expect(rowsOf(engine)).toEqual([1]);
    engine.inFlight[0]?.finish();
    await expectAnswered(asked[0] as Asked);
    await settle();
    engine.inFlight[0]?.finish();
    await expectAnswered(asked[1] as Asked);
  });

  test("does not take requests that were aborted before", async () => {
    const { engine, model, turn } = setUp();
    const reason = new ServingError("DeadlineExceeded", "late");
    await expect(model.infer(requestOf(0), AbortSignal.abort(reason))).rejects.toBe(reason);
    await turn();
    expect(engine.runs).toHaveLength(0);
  });

  test("runs requests of priority batch in what interactive ones leave free", async () => {
    const { engine, turn, ask } = setUp();
    ask(0);
    await turn();
    for (const id of [1, 2]) ask(id, { priority: "batch" });
    for (const id of [3, 4, 5]) ask(id);
    engine.inFlight[0]?.finish();
    await settle();
    expect(engine.runs[1]?.request.inputs[1]?.data).toEqual(["t3", "t4", "t5", "t1"]);
  });
});

describe("a deadline", () => {
  /** A run of 4 rows takes 4 ms, and 0.05 ms beside. */
  const ROW_MS = 4.05 / 4;

  test("that cannot be met for those who wait is refused at once, with the time to try again", async () => {
    const { model, clock, turn, ask } = setUp();
    ask(0, { rows: 4 });
    await turn();
    ask(10, { rows: 4 });
    // What runs and what waits takes 8 rows, its own 2.
    const answeredMs = 10 * ROW_MS;
    const enough = ask(20, { rows: 2, deadlineMs: clock.now() + answeredMs + 0.01 });
    // The one before is ahead of it, too.
    const late = await ask(30, { rows: 2, deadlineMs: clock.now() + answeredMs + 0.01 }).outcome;
    expect(late).toMatchObject({ code: "ResourceExhausted", refusal: "deadline" });
    expect((late as ServingError).message).toMatch(
      /^answer: expected within 10 ms, would take some 3 ms more: too many requests wait$/,
    );
    expect((late as ServingError).retryAfterMs).toBeCloseTo(2 * ROW_MS, 1);
    expect(() => model.checkRoom?.({ deadlineMs: clock.now() + 1 })).toThrow("too many requests wait");
    model.checkRoom?.({ deadlineMs: clock.now() + 100 });
    // A run under way comes to its end.
    await clock.advance(4);
    const later = ask(40, { rows: 2, deadlineMs: clock.now() + 12 * ROW_MS - 4 + 0.1 });
    await settle();
    for (const each of [enough, later]) each.client.abort(new Error("gone"));
    expect([await enough.outcome, await later.outcome]).toMatchObject([{ message: "gone" }, { message: "gone" }]);
  });

  test("is no reason to refuse what need not wait", async () => {
    const { engine, clock, turn, ask } = setUp();
    const asked = ask(0, { rows: 4, deadlineMs: clock.now() + 0.1 });
    await turn();
    engine.inFlight[0]?.finish();
    await expectAnswered(asked);
  });

  test("is not judged by costs that nobody knows", async () => {
    const { engine, clock, turn, ask } = setUp({ batching: { maxRows: 8, key: "2,", costs: [] } });
    ask(0);
    await turn();
    for (let id = 1; id < 40; id++) ask(id);
    const asked = ask(50, { deadlineMs: clock.now() + 0.001 });
    for (let round = 0; round < 20; round++) {
      engine.inFlight[0]?.finish();
      await settle();
    }
    await expectAnswered(asked);
  });

  test("heeds what runs cost of a model whose requests are run alone", async () => {
    const { engine, clock, turn, ask } = setUp({ batching: undefined });
    engine.computeMs = () => 10;
    const finish = async (): Promise<void> => {
      engine.inFlight[0]?.finish();
      await settle();
    };
    for (let id = 0; id < 8; id++) {
      ask(id);
      await turn();
      await finish();
    }
    ask(10);
    await turn();
    ask(11);
    expect(await ask(12, { deadlineMs: clock.now() + 29 }).outcome).toMatchObject({ refusal: "deadline" });
    const asked = ask(13, { deadlineMs: clock.now() + 31 });
    for (let round = 0; round < 3; round++) await finish();
    await expectAnswered(asked);
  });

  test("is met before requests of priority batch, which wait for all others", async () => {
    const { clock, turn, ask } = setUp();
    ask(0, { rows: 4 });
    await turn();
    for (const id of [10, 20, 30]) ask(id, { rows: 4, priority: "batch" });
    const deadlineMs = clock.now() + 8 * ROW_MS + 0.01;
    expect(await ask(40, { rows: 4, priority: "batch", deadlineMs }).outcome).toMatchObject({ refusal: "deadline" });
    const interactive = ask(50, { rows: 4, deadlineMs });
    await settle();
    interactive.client.abort(new Error("gone"));
    expect(await interactive.outcome).toMatchObject({ message: "gone" });
  });

  test("that has passed takes a request out of the queue, which is never run", async () => {
    const { engine, turn, ask } = setUp();
    ask(0);
    await turn();
    const expired = ask(1);
    const kept = ask(2);
    const late = new ServingError("DeadlineExceeded", "late");
    expired.client.abort(late);
    engine.inFlight[0]?.finish();
    await settle();
    engine.inFlight[0]?.finish();
    await expectAnswered(kept);
    expect(await expired.outcome).toBe(late);
    expect(engine.runs.flatMap(({ request }) => request.inputs[1]?.data as string[])).toEqual(["t0", "t2"]);
  });
});

describe("requests that cannot be joined", () => {
  test("of another shape have runs of their own", async () => {
    const { engine, turn, ask } = setUp();
    const asked = [ask(0), ask(1, { width: 3 }), ask(2), ask(3, { width: 3 })];
    await turn();
    engine.inFlight[0]?.finish();
    await settle();
    engine.inFlight[0]?.finish();
    for (const each of asked) await expectAnswered(each);
    expect(engine.runs.map(({ request }) => request.inputs[1]?.data)).toEqual([
      ["t0", "t2"],
      ["t1", "t3"],
    ]);
  });

  test("because their inputs disagree on the rows are run alone, for the engine to judge", async () => {
    const { engine, model, turn, ask } = setUp();
    const odd = requestOf(50);
    const [x, text] = [requestOf(50, { rows: 2 }).inputs[0], odd.inputs[1]];
    if (x === undefined || text === undefined) throw new Error("unreachable");
    const asked = askModel(model, { ...odd, inputs: [x, text] });
    const other = ask(0);
    await turn();
    expect(rowsOf(engine)).toEqual([2]);
    engine.inFlight[0]?.fail(new ServingError("InvalidArgument", "no"));
    expect(await asked.outcome).toMatchObject({ code: "InvalidArgument" });
    await settle();
    engine.inFlight[0]?.finish();
    await expectAnswered(other);
  });

  test("because elements are missing do not reach others' rows", async () => {
    const { engine, model, turn, ask } = setUp();
    const short = requestOf(60);
    const x = short.inputs[0];
    if (x?.datatype !== "FP32") throw new Error("unreachable");
    const bad = { ...short, inputs: [{ ...x, data: x.data.slice(1) }, ...short.inputs.slice(1)] };
    void model.infer(bad, new AbortController().signal).catch(() => undefined);
    const others = [ask(0), ask(1)];
    await turn();
    engine.inFlight[0]?.fail(new ServingError("InvalidArgument", "no"));
    await settle();
    expect(rowsOf(engine)).toEqual([1, 2]);
    engine.inFlight[0]?.finish();
    for (const each of others) await expectAnswered(each);
  });

  test("because they have no elements, whatever number of rows they claim, are run once", async () => {
    const engine = new HeldModel();
    const signature: Signature = { ...engine.signature, inputs: engine.signature.inputs.slice(0, 1) };
    const limits = { maxBatchSize: 8, maxLatencyMs: 0, maxQueue: 100 };
    const model = createBatchedModel(Object.assign(engine, { signature }), {
      limits,
      batching: BEST_AT_4,
      clock: new ManualClock(),
      afterTurn: (callback) => callback(),
    });
    const x: Tensor = { name: "x", datatype: "FP32", shape: [2 ** 40, 0], data: new Float32Array(0) };
    const { outcome } = askModel(model, { inputs: [x], outputs: ["twice"] });
    expect(rowsOf(engine)).toEqual([2 ** 40]);
    engine.inFlight[0]?.fail(new ServingError("InvalidArgument", "too many rows"));
    expect(await outcome).toBeInstanceOf(ServingError);
  });

  test("because the model allows no batches are run one by one, one of them ahead", async () => {
    const { engine, model, turn, ask } = setUp({ batching: undefined });
    const asked = [ask(0), ask(1, { rows: 20 }), ask(2)];
    await turn();
    expect(rowsOf(engine)).toEqual([1, 20]);
    expect(model.execution().batching).toBeUndefined();
    while (engine.inFlight.length > 0) {
      engine.inFlight[0]?.finish();
      await settle();
    }
    for (const each of asked) await expectAnswered(each);
    expect(rowsOf(engine)).toEqual([1, 20, 1]);
  });
});

describe("a request larger than a run", () => {
  test("is run in pieces, between which others have their turn, and answered as a whole", async () => {
    const { engine, ask } = setUp();
    const large = ask(100, { rows: 14 });
    const small = ask(0);
    while (engine.inFlight.length > 0) {
      engine.inFlight[0]?.finish();
      await settle();
    }
    expect(rowsOf(engine)).toEqual([4, 4, 4, 1, 2]);
    const { timing } = await expectAnswered(large);
    expect(timing).toMatchObject({ batchSize: 4, computeMs: 4 });
    await expectAnswered(small);
  });

  test("fails as a whole with any of its pieces", async () => {
    const { engine, turn, ask } = setUp();
    const large = ask(100, { rows: 10 });
    await turn();
    engine.inFlight[0]?.fail(new ServingError("Internal", "the model failed to answer"));
    expect(await large.outcome).toMatchObject({ code: "Internal" });
    engine.inFlight[0]?.finish();
    await settle();
    expect(rowsOf(engine)).toEqual([4, 4]);
    const next = ask(0);
    await turn();
    engine.inFlight[0]?.finish();
    await expectAnswered(next);
  });
});

describe("a run that fails", () => {
  test("is split until only those fail whose fault it is", async () => {
    const { engine, turn, ask } = setUp();
    const asked = [ask(0), ask(1), ask(2, { isPoison: true }), ask(3)];
    await turn();
    while (engine.inFlight.length > 0) {
      engine.inFlight[0]?.finish();
      await settle();
    }
    expect(rowsOf(engine)).toEqual([4, 2, 2, 1, 1]);
    expect(await asked[2]?.outcome).toMatchObject({ code: "InvalidArgument", message: "poisoned" });
    for (const index of [0, 1, 3]) await expectAnswered(asked[index] as Asked);
  });

  test("because the model has crashed fails all of its requests, once", async () => {
    const { engine, turn, ask } = setUp();
    const asked = [ask(0), ask(1)];
    await turn();
    const cause = new ReplicaFailureError("InternalError", "the model's thread has crashed");
    const crash = new ServingError("Unavailable", "the model has crashed", { cause });
    engine.inFlight[0]?.fail(crash);
    for (const each of asked) expect(await each.outcome).toBe(crash);
    expect(engine.runs).toHaveLength(1);
  });
});

describe("a model that joins rows after all", () => {
  test("is run one by one from then on, which is told once, and nobody gets a wrong answer", async () => {
    const { engine, model, turn, unbatchable, ask } = setUp();
    engine.isCollapsing = true;
    const asked = [ask(0), ask(1), ask(2)];
    await turn();
    const large = ask(100, { rows: 6 });
    asked.push(ask(3), ask(4));
    while (engine.inFlight.length > 0) {
      engine.inFlight[0]?.finish();
      await settle();
      await turn();
    }
    expect(unbatchable).toEqual(['a run of 3 rows gave 1 of output "twice"']);
    expect(model.execution().batching).toBeUndefined();
    for (const each of asked) await expectAnswered(each);
    expect(await large.outcome).toMatchObject({ outputs: answerOf(large.request, true) });
  });
});

test("a request whose pieces cannot be joined is answered by one run", async () => {
  const ran: number[] = [];
  // As many columns as there are rows in the run.
  const square: LoadedModel = {
    signature: {
      inputs: [{ name: "x", datatype: "FP32", shape: [-1, 1] }],
      outputs: [{ name: "y", datatype: "FP32", shape: [-1, -1] }],
    },
    execution: () => ({ placement: "ServingThread", instances: 1, intraOpThreads: 1, batching: undefined }),
    infer: async ({ inputs }) => {
      const rows = inputs[0]?.shape[0] ?? 0;
      ran.push(rows);
      const y: Tensor = { name: "y", datatype: "FP32", shape: [rows, rows], data: new Float32Array(rows * rows) };
      return await Promise.resolve({ outputs: [y], timing: { queueMs: 0, computeMs: 1, batchSize: rows } });
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const unbatchable: string[] = [];
  const model = createBatchedModel(square, {
    limits: { maxBatchSize: 8, maxLatencyMs: 0, maxQueue: 100 },
    batching: { ...BEST_AT_4, key: "" },
    clock: new ManualClock(),
    afterTurn: setImmediate,
    onUnbatchable: (why) => unbatchable.push(why),
  });
  const x: Tensor = { name: "x", datatype: "FP32", shape: [6, 1], data: new Float32Array(6) };
  const { outputs } = await model.infer({ inputs: [x], outputs: ["y"] }, new AbortController().signal);
  expect(outputs[0]).toMatchObject({ shape: [6, 6], data: { length: 36 } });
  expect(ran).toEqual([4, 2, 6]);
  expect(unbatchable).toEqual(['rows of output "y" are of another shape in another run']);
});

describe("disposal", () => {
  test("lets runs end, rejects what waits and what comes later", async () => {
    const { engine, model, turn, ask } = setUp();
    const running = ask(0);
    await turn();
    const waiting = [ask(1), ask(2)];
    await model[Symbol.asyncDispose]();
    await expectAnswered(running);
    for (const each of [...waiting, ask(3)])
      expect(await each.outcome).toMatchObject({ code: "Unavailable", message: "the model is being unloaded" });
    expect(engine.isDisposed).toBe(true);
    expect(engine.runs).toHaveLength(1);
  });

  test("leaves no timer behind", async () => {
    const { model, turn, clock, ask } = setUp({ maxLatencyMs: 5 });
    const waiting = ask(0);
    await turn();
    expect(clock.nextMs()).toBe(5);
    await model[Symbol.asyncDispose]();
    expect(clock.nextMs()).toBeUndefined();
    expect(await waiting.outcome).toMatchObject({ code: "Unavailable" });
  });
});

describe("what is told of it", () => {
  test("is a size that was measured, if only few were", () => {
    const costs = [1, 2, 4].map((rows) => ({ rows, computeMs: rows * 20 }));
    const { model } = setUp({ maxBatchSize: 64, batching: { maxRows: 64, key: "2,", costs } });
    expect(model.execution().batching).toEqual({ maxBatchSize: 64, bestBatchSize: 1 });
  });

  test("is the configured size and the best one, which follows what runs cost", async () => {
    const { engine, model, turn, ask } = setUp();
    expect(model.execution()).toMatchObject({ instances: 1, batching: { maxBatchSize: 8, bestBatchSize: 4 } });
    // By now a row costs the same in all sizes: the smallest is as good.
    engine.computeMs = (rows) => rows / 2;
    for (let run = 0; run < 100; run++) {
      ask(run);
      await turn();
      engine.inFlight[0]?.finish();
      await settle();
    }
    expect(model.execution().batching).toEqual({ maxBatchSize: 8, bestBatchSize: 1 });
  });
});
