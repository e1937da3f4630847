import { status as Code } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../runtime/core/tensor.ts";
import { framed, GrpcClient, RawHttp2, ROWS, rowsRequest, startGrpcServer } from "./grpc-fixtures.ts";
import { echo, eventually, type FakeModel, type Infer } from "./http-fixtures.ts";

const rows: FakeModel = { name: "rows", signature: ROWS, infer: echo };

type Answer = Readonly<{
  error_message: string;
  infer_response: Readonly<{ id: string; raw_output_contents: readonly Buffer[]; parameters: object }> | null;
}>;

function request(index: number, more: Readonly<Record<string, unknown>> = {}) {
  return rowsRequest([index, 0, 0, 0], { id: String(index), ...more });
}

/** Adds up what it is given, by the state that it gives back. */
const summing: FakeModel = {
  name: "sum",
  signature: {
    inputs: [
      { name: "x", datatype: "FP32", shape: [1] },
      { name: "state", datatype: "FP32", shape: [1] },
    ],
    outputs: [
      { name: "y", datatype: "FP32", shape: [1] },
      { name: "stateN", datatype: "FP32", shape: [1] },
    ],
  },
  state: [{ input: "state", output: "stateN" }],
  infer: async (inputs, outputs) => {
    const sum = inputs.reduce((total, { data }) => total + Number(data[0]), 0);
    return await Promise.resolve(
      outputs.map((name): Tensor => ({ name, datatype: "FP32", shape: [1], data: Float32Array.of(sum) })),
    );
  },
};

function sumRequest(value: number, parameters: Readonly<Record<string, unknown>> = {}) {
  return {
    model_name: "sum",
    inputs: [{ name: "x", datatype: "FP32", shape: [1], contents: { fp32_contents: [value] } }],
    parameters,
  };
}

const sumOf = (answer: unknown): number | undefined =>
  (answer as { infer_response: { outputs: { contents: { fp32_contents: number[] } }[] } | null }).infer_response
    ?.outputs[0]?.contents.fp32_contents[0];

describe("a stream of requests", () => {
  test("is answered in order, each answer final, and ends with its client", async () => {
    const delays: Infer = async (inputs, outputs, signal) => {
      // Later requests are ready before earlier ones.
      await new Promise((resolve) => setTimeout(resolve, 20 - Number(inputs[0]?.data[0] ?? 0)));
      return await echo(inputs, outputs, signal);
    };
    const { address, metrics } = await startGrpcServer([{ ...rows, infer: delays }]);
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    for (let index = 0; index < 20; index++) stream.send(request(index));
    stream.call.end();
    expect(await stream.ended).toMatchObject({ code: Code.OK });
    const answers = stream.answers as unknown as readonly Answer[];
    expect(answers.map((answer) => answer.infer_response?.id)).toEqual(
      Array.from({ length: 20 }, (_, index) => String(index)),
    );
    expect(answers.map((answer) => answer.infer_response?.raw_output_contents[0]?.readFloatLE(0))).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    );
    for (const answer of answers) {
      expect(answer.infer_response?.parameters).toMatchObject({ triton_final_response: { bool_param: true } });
    }
    expect(metrics.observed).toHaveLength(20);
    expect(metrics.inFlightNow).toBe(0);
  });

  test("goes on after errors, which are answers in their place", async () => {
    const { address } = await startGrpcServer([rows]);
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    stream.send(request(1));
    stream.send(request(2, { model_name: "other" }));
    stream.send(request(3, { inputs: [] }));
    stream.send(request(4, { parameters: { triton_enable_empty_final_response: { bool_param: true } } }));
    const answers = (await stream.received(4)) as unknown as readonly Answer[];
    expect(answers.map((answer) => answer.error_message)).toEqual([
      "",
      "model: expected a served one, got another",
      expect.stringMatching(/^raw_input_contents: expected one for each of the 0 inputs/),
      "",
    ]);
    expect(answers.map((answer) => answer.infer_response?.id)).toEqual(["1", "2", "3", "4"]);
  });

  test("ends with the first error for clients that ask so", async () => {
    const { address } = await startGrpcServer([rows]);
    const stream = new GrpcClient(address).open("ModelStreamInfer", { metadata: { triton_grpc_error: "true" } });
    stream.send(request(1));
    await stream.received(1);
    stream.send(request(2, { model_name: "other" }));
    expect(await stream.ended).toEqual({ code: Code.NOT_FOUND, details: "model: expected a served one, got another" });
    expect(stream.answers).toHaveLength(1);
  });

  test("tells of a request that takes too long, and goes on", async () => {
    const slow: Infer = (inputs, outputs, signal) => {
      if (inputs[0]?.data[0] !== 1) return echo(inputs, outputs, signal);
      return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
    };
    const { address } = await startGrpcServer([{ ...rows, infer: slow }], { requestTimeoutMs: 60 });
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    stream.send(request(1));
    stream.send(request(2));
    const answers = (await stream.received(2)) as unknown as readonly Answer[];
    expect(answers.map((answer) => answer.error_message)).toEqual(["answer: expected within 60 ms, got none", ""]);
  });

  test("is read no faster than it is answered", async () => {
    const held: (() => void)[] = [];
    const holding: Infer = async (inputs, outputs, signal) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return await echo(inputs, outputs, signal);
    };
    const { address, metrics } = await startGrpcServer([{ ...rows, infer: holding }], {
      limits: { maxStreamItems: 4 },
    });
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    for (let index = 0; index < 50; index++) stream.send(request(index));
    stream.call.end();
    await eventually(() => held.length === 4);
    let most = 0;
    while (stream.answers.length < 50) {
      most = Math.max(most, metrics.inFlightNow);
      held.shift()?.();
      await new Promise(setImmediate);
    }
    expect(await stream.ended).toMatchObject({ code: Code.OK });
    expect(most).toBe(4);
  });

  test("waits for a client that does not read, and goes on with it", async () => {
    const { address, metrics } = await startGrpcServer([rows], { limits: { maxStreamItems: 4 } });
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    stream.call.pause();
    const large = (index: number) =>
      rowsRequest(
        Array.from({ length: 40_000 }, () => index),
        { id: String(index) },
      );
    for (let index = 0; index < 60; index++) stream.send(large(index));
    stream.call.end();
    // Less than all is worked on while nobody reads: what windows and buffers take, and four more.
    await eventually(() => metrics.observed.length >= 4);
    for (let seen = 0; seen < metrics.observed.length;) {
      seen = metrics.observed.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(metrics.observed.length).toBeLessThan(60);
    stream.call.resume();
    const answers = (await stream.received(60)) as unknown as readonly Answer[];
    expect(answers.map((answer) => answer.infer_response?.id)).toEqual(
      Array.from({ length: 60 }, (_, index) => String(index)),
    );
    expect(await stream.ended).toMatchObject({ code: Code.OK });
  });

  test("is cut off from the model when its client cancels", async () => {
    let aborted = 0;
    const never: Infer = (_inputs, _outputs, signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => {
          aborted++;
          reject(signal.reason as Error);
        }),
      );
    const { address, metrics } = await startGrpcServer([{ ...rows, infer: never }]);
    const stream = new GrpcClient(address).open("ModelStreamInfer");
    stream.send(request(1));
    stream.send(request(2));
    await eventually(() => metrics.inFlightNow === 2);
    stream.call.cancel();
    await eventually(() => aborted === 2 && metrics.inFlightNow === 0);
    expect(metrics.observed.map(({ code }) => code)).toEqual(["Cancelled", "Cancelled"]);
  });

  test("keeps the state of a model from each request to the next", async () => {
    const { address, servables } = await startGrpcServer([summing]);
    const client = new GrpcClient(address);
    const [one, two] = [client.open("ModelStreamInfer"), client.open("ModelStreamInfer")];
    for (const value of [1, 2, 3]) {
      one.send(sumRequest(value));
      two.send(sumRequest(10 * value));
    }
    expect((await one.received(3)).map(sumOf)).toEqual([1, 3, 6]);
    expect((await two.received(3)).map(sumOf)).toEqual([10, 30, 60]);
    one.call.end();
    two.call.end();
    await Promise.all([one.ended, two.ended]);
    await eventually(() => servables.acquired === servables.disposed);
  });

  test("has the states of sequences, which go on over streams and single calls", async () => {
    const { address } = await startGrpcServer([summing]);
    const client = new GrpcClient(address);
    const id = { uint64_param: 7 };
    const start = { sequence_id: id, sequence_start: { bool_param: true } };
    const stream = client.open("ModelStreamInfer");
    stream.send(sumRequest(1, start));
    stream.send(sumRequest(100, { ...start, sequence_id: { string_param: "b" } }));
    stream.send(sumRequest(2, { sequence_id: id }));
    stream.send(sumRequest(200, { sequence_id: { string_param: "b" } }));
    expect((await stream.received(4)).map(sumOf)).toEqual([1, 100, 3, 300]);
    const last = { sequence_id: id, sequence_end: { bool_param: true } };
    const { message } = await client.call("ModelInfer", sumRequest(4, last));
    expect(sumOf({ infer_response: message })).toBe(7);
    expect(await client.codeOf("ModelInfer", sumRequest(4, { sequence_id: id }))).toBe(Code.INVALID_ARGUMENT);
  });

  test("of messages that are none ends with what is wrong", async () => {
    const { port } = await startGrpcServer([rows]);
    const http = await RawHttp2.open(port);
    const path = "/inference.GRPCInferenceService/ModelStreamInfer";
    const answer = await http.send(path, Buffer.concat([framed(Buffer.from("no message"), 0)]));
    // The frame is one, the message in it is not: that is an answer.
    expect(answer.status).toBe("0");
    expect(answer.body.toString("latin1")).toContain("message: expected");
    expect((await http.send(path, framed(Buffer.alloc(3), 9))).status).toBe(String(Code.INVALID_ARGUMENT));
    expect((await http.send(path, framed(Buffer.alloc(30)).subarray(0, 9))).status).toBe(String(Code.INVALID_ARGUMENT));
    expect((await http.send(path, Buffer.alloc(0))).status).toBe("0");
  });
});
