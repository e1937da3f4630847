import { EventEmitter } from "node:events";
import type { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { ModelObserver, Priority } from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import type { WorkerReply, WorkerRequest } from "../../../../runtime/engine/onnx-messages.ts";
import { OnnxModel } from "../../../../runtime/engine/onnx-model.ts";
import { OnnxThread } from "../../../../runtime/engine/onnx-thread.ts";
import { ReplicaFailureError } from "../../../../runtime/errors.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1] }],
  outputs: [{ name: "output", datatype: "FP32", shape: [-1] }],
};
const patience = new AbortController().signal;

/** A worker that keeps what it is sent, and answers when the test says so. */
class FakeWorker extends EventEmitter {
  readonly requests: WorkerRequest[] = [];

  postMessage(request: WorkerRequest): void {
    this.requests.push(request);
  }

  reply(reply: WorkerReply): void {
    this.emit("message", reply);
  }
}

interface SetUp {
  readonly workers: readonly FakeWorker[];
  readonly threads: readonly OnnxThread[];
  readonly model: OnnxModel;
  readonly failures: readonly ReplicaFailureError[];
  readonly infer: (row?: number, priority?: Priority, signal?: AbortSignal) => Promise<readonly Tensor[]>;
}

function setUp(instances = 1): SetUp {
  const workers = Array.from({ length: instances }, () => new FakeWorker());
  const failures: ReplicaFailureError[] = [];
  const observer: ModelObserver = {
    ran: () => undefined,
    stuck: () => undefined,
    crashed: (failure) => failures.push(failure),
  };
  const threads = workers.map((worker) => {
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    return new OnnxThread({ worker: worker as unknown as Worker, ended, stuckAfterMs: undefined });
  });
  const model = new OnnxModel({
    signature: SIGNATURE,
    threads,
    intraOpThreads: 1,
    observer,
    stuckAfterMs: undefined,
    servingThread: undefined,
  });
  const infer: SetUp["infer"] = async (row = 1, priority = "interactive", signal = patience) => {
    const input: Tensor = { name: "input", datatype: "FP32", shape: [1], data: Float32Array.of(row) };
    return (await model.infer({ inputs: [input], outputs: ["output"], priority }, signal)).outputs;
  };
  return { workers, threads, model, failures, infer };
}

/** The rows that a worker was sent, in order. */
function rowsSentTo(worker: FakeWorker | undefined): unknown[] {
  return (worker?.requests ?? []).flatMap((request) => (request.kind === "run" ? [request.inputs[0]?.data[0]] : []));
}

function first<T>([value]: readonly T[]): T {
  if (value === undefined) throw new Error("there is none");
  return value;
}

describe("a worker that crashes", () => {
  test("fails what runs and what waits, what comes later, and is reported once", async () => {
    const { workers, threads, model, failures, infer } = setUp(2);
    const requests = Array.from({ length: 5 }, () => infer().catch((error: unknown) => error));
    const failure = new ReplicaFailureError("OutOfMemory", "the model's thread ran out of memory");
    model.crash(first(threads), failure);
    model.crash(first(threads), new ReplicaFailureError("InternalError", "the model's thread has ended"));
    for (const error of await Promise.all(requests))
      expect(error).toMatchObject({ code: "Unavailable", cause: failure });
    await expect(infer()).rejects.toMatchObject({ code: "Unavailable" });
    expect(failures).toEqual([failure]);
    // The other one still waits to be told.
    const disposed = model[Symbol.asyncDispose]();
    expect(workers[1]?.requests.at(-1)).toEqual({ kind: "close" });
    for (const worker of workers) worker.emit("exit");
    await disposed;
  });

  test("while it is being unloaded is not a failure, and leaves the other instances alone", async () => {
    const { workers, threads, model, failures, infer } = setUp(2);
    const running = [infer(), infer()].map((answer) => answer.catch((error: unknown) => error));
    const disposed = model[Symbol.asyncDispose]();
    model.crash(first(threads), new ReplicaFailureError("InternalError", "the model's thread has ended"));
    workers[0]?.emit("exit");
    workers[1]?.reply({ kind: "ran", id: 0, outputs: [], computeMs: 1 });
    expect(await running[0]).toMatchObject({ code: "Unavailable" });
    expect(await running[1]).toEqual([]);
    workers[1]?.emit("exit");
    await disposed;
    expect(failures).toEqual([]);
  });
});

describe("the workers", () => {
  test("have two requests each at most, and get the next one for each that is answered", async () => {
    const { workers, infer } = setUp();
    const worker = first(workers);
    const answers = [infer(), infer(), infer()];
    expect(worker.requests).toHaveLength(2);
    worker.reply({ kind: "ran", id: 0, outputs: [], computeMs: 1 });
    expect(worker.requests).toHaveLength(3);
    worker.reply({ kind: "run-failed", id: 1, text: "Invalid rank for input: input Got: 1 Expected: 2", computeMs: 1 });
    worker.reply({ kind: "ran", id: 2, outputs: [], computeMs: 1 });
    expect(await answers[0]).toEqual([]);
    await expect(answers[1]).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(await answers[2]).toEqual([]);
  });

  test("share the requests: each goes to the one that is least busy", async () => {
    const { workers, model, infer } = setUp(2);
    expect(model.execution()).toMatchObject({ placement: "Worker", instances: 2 });
    const answers = [1, 2, 3, 4, 5].map((row) => infer(row));
    expect(workers.map(rowsSentTo)).toEqual([
      [1, 3],
      [2, 4],
    ]);
    workers[1]?.reply({ kind: "ran", id: 0, outputs: [], computeMs: 1 });
    expect(rowsSentTo(workers[1])).toEqual([2, 4, 5]);
    workers[1]?.reply({ kind: "ran", id: 1, outputs: [], computeMs: 1 });
    workers[1]?.reply({ kind: "ran", id: 2, outputs: [], computeMs: 1 });
    answers.push(infer(6));
    expect(rowsSentTo(workers[1])).toEqual([2, 4, 5, 6]);
    for (const id of [0, 1]) workers[0]?.reply({ kind: "ran", id, outputs: [], computeMs: 1 });
    workers[1]?.reply({ kind: "ran", id: 3, outputs: [], computeMs: 1 });
    expect(await Promise.all(answers)).toHaveLength(6);
  });

  test("get requests of batches after all others, and none whose client has gone", async () => {
    const { workers, infer } = setUp();
    const worker = first(workers);
    const client = new AbortController();
    const reason = new Error("client went away");
    const gone = [infer(3, "batch", client.signal), infer(4, "interactive", client.signal)];
    expect(rowsSentTo(worker)).toEqual([3, 4]);
    gone.push(infer(5, "interactive", client.signal));
    const answers = [infer(6, "batch"), infer(7, "batch"), infer(8)];
    client.abort(reason);
    for (const answer of gone) await expect(answer).rejects.toBe(reason);
    for (let id = 0; id < 5; id++) worker.reply({ kind: "ran", id, outputs: [], computeMs: 1 });
    await Promise.all(answers);
    expect(rowsSentTo(worker)).toEqual([3, 4, 8, 6, 7]);
  });
});
