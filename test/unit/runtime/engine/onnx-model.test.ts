import { EventEmitter } from "node:events";
import type { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import type { ModelObserver } from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import type { WorkerReply, WorkerRequest } from "../../../../runtime/engine/onnx-messages.ts";
import { OnnxModel } from "../../../../runtime/engine/onnx-model.ts";
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

function setUp(): {
  worker: FakeWorker;
  model: OnnxModel;
  failures: ReplicaFailureError[];
  infer: () => Promise<readonly Tensor[]>;
} {
  const worker = new FakeWorker();
  const failures: ReplicaFailureError[] = [];
  const observer: ModelObserver = {
    ran: () => undefined,
    stuck: () => undefined,
    crashed: (failure) => failures.push(failure),
  };
  const model = new OnnxModel({
    worker: worker as unknown as Worker,
    signature: SIGNATURE,
    intraOpThreads: 1,
    ended: new Promise((resolve) => worker.once("exit", () => resolve())),
    observer,
    stuckAfterMs: undefined,
  });
  const infer = async (): Promise<readonly Tensor[]> => {
    const input: Tensor = { name: "input", datatype: "FP32", shape: [1], data: Float32Array.of(1) };
    return (await model.infer({ inputs: [input], outputs: ["output"] }, patience)).outputs;
  };
  return { worker, model, failures, infer };
}

describe("a worker that crashes", () => {
  test("fails what runs and what waits, what comes later, and is reported once", async () => {
    const { worker, model, failures, infer } = setUp();
    const requests = [infer(), infer(), infer()].map((answer) => answer.catch((error: unknown) => error));
    const failure = new ReplicaFailureError("OutOfMemory", "the model's thread ran out of memory");
    model.crash(failure);
    model.crash(new ReplicaFailureError("InternalError", "the model's thread has ended"));
    for (const error of await Promise.all(requests))
      expect(error).toMatchObject({ code: "Unavailable", cause: failure });
    await expect(infer()).rejects.toMatchObject({ code: "Unavailable" });
    expect(failures).toEqual([failure]);
    worker.emit("exit");
    await model[Symbol.asyncDispose]();
  });

  test("while it is being unloaded is not a failure", async () => {
    const { worker, model, failures, infer } = setUp();
    const running = infer().catch((error: unknown) => error);
    const disposed = model[Symbol.asyncDispose]();
    model.crash(new ReplicaFailureError("InternalError", "the model's thread has ended"));
    worker.emit("exit");
    await disposed;
    expect(await running).toMatchObject({ code: "Unavailable" });
    expect(failures).toEqual([]);
  });
});

describe("the worker", () => {
  test("has two requests at most, and gets the next one for each that is answered", async () => {
    const { worker, infer } = setUp();
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
});
