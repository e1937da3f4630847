import { describe, expect, test } from "vitest";
import type { StateBinding } from "../../../../common/runtime-config.ts";
import type { InferenceRequest, LoadedModel, ServableHandle, Servables } from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import { ModelStatistics } from "../../../../runtime/monitoring/model-statistics.ts";
import type { SequencePosition } from "../../../../runtime/protocol/dialect.ts";
import { StartHold } from "../../../../runtime/serving/start-hold.ts";
import { InferPath, type InferContext, type Prepare } from "../../../../runtime/serving/infer-path.ts";

const SIGNATURE: Signature = {
  inputs: [
    { name: "x", datatype: "FP32", shape: [-1] },
    { name: "sum", datatype: "FP32", shape: [-1] },
  ],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1] },
    { name: "sumN", datatype: "FP32", shape: [-1] },
  ],
};
const STATE: readonly StateBinding[] = [{ input: "sum", output: "sumN" }];
const context: InferContext = { signal: new AbortController().signal };

/** Adds up: y and sumN are sum + x, times the version in y. */
class Adders implements Servables {
  active = 1;
  lent = 0;
  isLoaded = true;
  readonly requests: InferenceRequest[] = [];
  readonly #state: readonly StateBinding[];

  constructor(state: readonly StateBinding[] = STATE) {
    this.#state = state;
  }

  acquire(name: string, version = this.active): ServableHandle {
    if (version > 2) throw new ServingError("NotFound", "no such version");
    if (!this.isLoaded) throw new ServingError("Unavailable", "not loaded yet");
    this.lent++;
    const model: LoadedModel = {
      signature: SIGNATURE,
      execution: () => ({ placement: "Worker", instances: 1, intraOpThreads: 1, batching: undefined }),
      infer: async (request) => {
        this.requests.push(request);
        const [x, sum] = request.inputs;
        if (x?.data[0] === -1) throw new ServingError("InvalidArgument", "the model does not take -1");
        const next = Number(sum?.data[0]) + Number(x?.data[0]);
        const outputs = request.outputs.map((output): Tensor => {
          return {
            name: output,
            datatype: "FP32",
            shape: [1],
            data: Float32Array.of(output === "y" ? next * version : next),
          };
        });
        return await Promise.resolve({ outputs, timing: { queueMs: 1, computeMs: 2, batchSize: 1 } });
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return {
      id: { name, version },
      digest: `sha256:${version}`,
      signature: SIGNATURE,
      state: this.#state,
      model,
      [Symbol.dispose]: () => void this.lent--,
    };
  }

  versionOf(): number {
    return 2;
  }

  models(): [] {
    return [];
  }

  isReady(): boolean {
    return true;
  }
}

function add(x: number, sequence?: SequencePosition, outputs?: readonly string[]): Prepare<string> {
  return () => ({
    inputs: [{ name: "x", datatype: "FP32", shape: [1], data: Float32Array.of(x) }],
    outputs,
    sequence,
    writeAnswer: ({ servable, outputs: [...tensors] }) =>
      `${servable.id.version}: ${tensors.map(({ name, data }) => `${name}=${String(data[0])}`).join(" ")}`,
  });
}

function setUp(servables = new Adders(), starting = new StartHold(0)) {
  const statistics = new ModelStatistics();
  const path = new InferPath({ servables, statistics, starting });
  const target = { model: "m", version: undefined };
  const infer = async (prepare: Prepare<string>, where = {}): Promise<string> =>
    (await path.infer({ ...target, ...where }, prepare, context)).answer;
  return { servables, statistics, path, infer, target };
}

const start: SequencePosition = { id: "s", isStart: true, isEnd: false };
const next: SequencePosition = { id: "s", isStart: false, isEnd: false };

describe("a model with state", () => {
  test("is asked with zeros, and answers all outputs, without a sequence", async () => {
    const { infer } = setUp();
    expect(await infer(add(3))).toBe("1: y=3 sumN=3");
    expect(await infer(add(4))).toBe("1: y=4 sumN=4");
  });

  test("goes on in a sequence, which leaves the state out unless it is asked for", async () => {
    const { infer } = setUp();
    expect(await infer(add(3, start))).toBe("1: y=3");
    expect(await infer(add(4, next))).toBe("1: y=7");
    expect(await infer(add(5, next, ["sumN"]))).toBe("1: sumN=12");
    expect(await infer(add(1, { ...next, isEnd: true }))).toBe("1: y=13");
    await expect(infer(add(1, next))).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("answers a sequence by the version that it began with, while others get the active one", async () => {
    const { servables, infer } = setUp();
    await infer(add(3, start));
    servables.active = 2;
    expect(await infer(add(4))).toBe("2: y=8 sumN=4");
    expect(await infer(add(4, next))).toBe("1: y=7");
    expect(await infer(add(1, { ...next, isStart: true }))).toBe("2: y=2");
    expect(await infer(add(1, next))).toBe("2: y=4");
    expect(servables.lent).toBe(0);
  });

  test("forgets sequences with their version", async () => {
    const { path, infer } = setUp();
    await infer(add(3, start));
    path.forget({ name: "m", version: 1 });
    await expect(infer(add(4, next))).rejects.toMatchObject({ code: "InvalidArgument" });
  });
});

describe("a stream", () => {
  test("has a state of its own, which outlives a failed request, and a version for all of it", async () => {
    const { servables, path, target } = setUp();
    {
      using one = path.openStream();
      using other = path.openStream();
      const infer = async (stream: typeof one, x: number): Promise<string> =>
        (await stream.infer(target, add(x), context)).answer;
      expect(await infer(one, 1)).toBe("1: y=1");
      servables.active = 2;
      expect(await infer(other, 10)).toBe("2: y=20");
      await expect(infer(one, -1)).rejects.toMatchObject({ code: "InvalidArgument" });
      expect(await infer(one, 2)).toBe("1: y=3");
      expect(await infer(other, 5)).toBe("2: y=30");
      expect(servables.lent).toBe(2);
    }
    expect(servables.lent).toBe(0);
  });

  test("may name sequences, which are not the stream's own", async () => {
    const { path, target, infer } = setUp();
    await infer(add(3, start));
    using stream = path.openStream();
    expect((await stream.infer(target, add(100), context)).answer).toBe("1: y=100");
    expect((await stream.infer(target, add(4, next), context)).answer).toBe("1: y=7");
    expect((await stream.infer(target, add(1), context)).answer).toBe("1: y=101");
  });

  test("begins with the first request that can be read", async () => {
    const { path, target } = setUp();
    using stream = path.openStream();
    const unreadable: Prepare<string> = () => {
      throw new ServingError("InvalidArgument", "no request");
    };
    await expect(stream.infer(target, unreadable, context)).rejects.toMatchObject({ code: "InvalidArgument" });
    expect((await stream.infer(target, add(1), context)).answer).toBe("1: y=1");
    expect((await stream.infer(target, add(1), context)).answer).toBe("1: y=2");
  });
});

describe("every request", () => {
  test("gives its version back, and is counted, well or not", async () => {
    const { servables, statistics, infer } = setUp(new Adders([]));
    await expect(infer(() => ({ inputs: [], outputs: [], writeAnswer: () => "" }))).resolves.toBe("");
    await expect(
      infer(() => {
        throw new ServingError("InvalidArgument", "no request");
      }),
    ).rejects.toMatchObject({ code: "InvalidArgument" });
    expect(servables.lent).toBe(0);
    expect(statistics.of({ name: "m", version: 1 })).toMatchObject({
      success: { count: 1 },
      fail: { count: 1 },
      queue: { count: 1, totalMs: 1 },
      compute: { count: 1, totalMs: 2 },
      inferenceCount: 1,
    });
  });

  test("with a label goes to the version that the label stands for", async () => {
    const { infer } = setUp();
    expect(await infer(add(3), { label: "canary" })).toBe("2: y=6 sumN=3");
  });
});

describe("a replica that has just started", () => {
  test.each([
    ["the active version", {}],
    ["a version by number", { version: 1 }],
    ["a version by label", { label: "stable" }],
  ])("lets a request wait for %s, unread", async (_, where) => {
    const starting = new StartHold(60_000);
    const { servables, path, infer, target } = setUp(new Adders(), starting);
    servables.isLoaded = false;
    path.check({ ...target, ...where });
    const answer = infer(add(3), where);
    await new Promise(setImmediate);
    servables.isLoaded = true;
    starting.note();
    expect(await answer).toBe("label" in where ? "2: y=6 sumN=3" : "1: y=3 sumN=3");
    expect(servables.lent).toBe(0);
  });

  test("refuses what does not come in time, or will not come, and holds nobody once it was ready", async () => {
    const starting = new StartHold(20);
    const { servables, path, infer, target } = setUp(new Adders(), starting);
    servables.isLoaded = false;
    await expect(infer(add(3))).rejects.toMatchObject({ code: "Unavailable" });
    await expect(infer(add(3), { version: 3 })).rejects.toMatchObject({ code: "NotFound" });
    starting.end();
    expect(() => path.check(target)).toThrow("not loaded yet");
  });
});
