import { gunzipSync, gzipSync } from "node:zlib";
import { status as Code, type ServiceError } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { rawBytesOf } from "../../runtime/protocol/v2/raw-tensor.ts";
import type { Tensor } from "../../runtime/core/tensor.ts";
import { ModelInferRequest, ModelInferResponse } from "../../runtime/grpc/proto/inference.gen.ts";
import { decodeMessage, encodeMessage } from "../../runtime/grpc/wire/message-codec.ts";
import { SAMPLE_DATA } from "../fixtures/tensor-samples.ts";
import { echoModels, framed, GrpcClient, RawHttp2, ROWS, rowsRequest, startGrpcServer } from "./grpc-fixtures.ts";
import { echo, eventually, type FakeModel } from "./http-fixtures.ts";

const INFER = "/inference.GRPCInferenceService/ModelInfer";
const rows: FakeModel = { name: "rows", signature: ROWS, infer: echo, versions: [1, 2] };

/** A model that answers when it is told to, or never. */
function heldModel(): FakeModel & { readonly aborted: () => number; readonly waiting: () => number } {
  let aborted = 0;
  let waiting = 0;
  return {
    name: "rows",
    signature: ROWS,
    infer: (_inputs, _outputs, signal) =>
      new Promise((_resolve, reject) => {
        waiting++;
        signal.addEventListener("abort", () => {
          aborted++;
          reject(signal.reason as Error);
        });
      }),
    aborted: () => aborted,
    waiting: () => waiting,
  };
}

async function failure(call: Promise<unknown>): Promise<ServiceError> {
  return await call.then(
    () => {
      throw new Error("expected an error, got an answer");
    },
    (error: ServiceError) => error,
  );
}

describe("inference", () => {
  test("gives back every datatype, raw", async () => {
    const { address } = await startGrpcServer(echoModels());
    const client = new GrpcClient(address);
    for (const [datatype, data] of Object.entries(SAMPLE_DATA)) {
      const raw = Buffer.from(rawBytesOf({ name: "x", datatype, shape: [2, 3], data } as Tensor));
      const { message } = await client.call("ModelInfer", {
        model_name: datatype,
        id: "7",
        inputs: [{ name: "x", datatype, shape: [2, 3] }],
        raw_input_contents: [raw],
      });
      expect(message).toMatchObject({
        model_name: datatype,
        model_version: "1",
        id: "7",
        outputs: [{ name: "y", datatype, shape: [2, 3], contents: null }],
        raw_output_contents: [raw],
      });
    }
  });

  test("answers typed contents with typed ones", async () => {
    const { address } = await startGrpcServer(echoModels([-1]));
    const client = new GrpcClient(address);
    for (const [datatype, contents] of [
      ["BOOL", { bool_contents: [true, false] }],
      ["INT8", { int_contents: [-128, 127] }],
      ["INT64", { int64_contents: [-(2 ** 53 - 1), 5] }],
      ["UINT16", { uint_contents: [65_535, 0] }],
      ["UINT64", { uint64_contents: [2 ** 53 - 1, 0] }],
      ["FP32", { fp32_contents: [0.5, -2] }],
      ["FP64", { fp64_contents: [0.1, -2] }],
      ["BYTES", { bytes_contents: [Buffer.from("ä"), Buffer.from("")] }],
    ] as const) {
      const inputs = [{ name: "x", datatype, shape: [2], contents }];
      const { message } = await client.call("ModelInfer", { model_name: datatype, inputs });
      expect(message).toMatchObject({
        outputs: [{ name: "y", datatype, shape: [2], contents }],
        raw_output_contents: [],
      });
    }
  });

  test("tells which model answered, and where the time went on request", async () => {
    const { address } = await startGrpcServer([rows]);
    const client = new GrpcClient(address);
    const metadata = { "x-request-id": "mine", "x-lockstep-timing": "1" };
    const { headers } = await client.call("ModelInfer", rowsRequest([1, 2, 3, 4]), { metadata });
    expect(headers).toMatchObject({
      "x-request-id": "mine",
      "x-lockstep-model-name": "rows",
      "x-lockstep-model-version": "2",
      "x-lockstep-model-digest": "sha256:00",
      "server-timing": expect.stringMatching(/^queue;dur=\S+, compute;dur=\S+;desc="batch of 1", codec;dur=/) as string,
    });
    const plain = await client.call("ModelInfer", rowsRequest([1, 2, 3, 4], { model_version: "1" }));
    expect(plain.message["model_version"]).toBe("1");
    expect(plain.headers).not.toHaveProperty("server-timing");
    expect(plain.headers["x-request-id"]).toMatch(/^\S{20,}$/);
  });

  test("answers the outputs that are asked for, as classes too", async () => {
    const { address } = await startGrpcServer([rows]);
    const client = new GrpcClient(address);
    const outputs = [{ name: "y", parameters: { classification: { int64_param: 2 } } }];
    const { message } = await client.call("ModelInfer", rowsRequest([1, 9, 3, 7, 4, 3, 2, 1], { outputs }));
    expect(message["outputs"]).toMatchObject([{ name: "y", datatype: "BYTES", shape: [2, 2] }]);
    const texts = ["9:1", "7:3", "4:0", "3:1"].map((text) =>
      Buffer.from(`${String.fromCharCode(text.length)}\0\0\0${text}`),
    );
    expect(message["raw_output_contents"]).toEqual([Buffer.concat(texts)]);
  });

  test("carries messages of many megabytes, and compressed ones", async () => {
    const { address } = await startGrpcServer([rows]);
    const client = new GrpcClient(address);
    const values = Array.from({ length: 3_000_000 }, (_, index) => index % 1_000);
    const request = rowsRequest(values);
    const { message } = await client.call("ModelInfer", request);
    expect(message["raw_output_contents"]).toEqual(request["raw_input_contents"]);
    for (const algorithm of [1, 2]) {
      const compressing = new GrpcClient(address, "inference.GRPCInferenceService", {
        "grpc.default_compression_algorithm": algorithm,
      });
      const answer = await compressing.call("ModelInfer", request);
      expect(answer.message["raw_output_contents"]).toEqual(request["raw_input_contents"]);
    }
  });

  test("answers compressed where the request was, if that is accepted and worth it", async () => {
    const { port } = await startGrpcServer([rows]);
    const http = await RawHttp2.open(port);
    const request = (rowCount: number): Buffer => {
      const inputs = [{ name: "x", datatype: "FP32", shape: [rowCount, 4] }];
      const message = { modelName: "rows", inputs, rawInputContents: [new Uint8Array(rowCount * 16)] };
      return framed(gzipSync(encodeMessage(ModelInferRequest, message)), 1);
    };
    const headers = { "grpc-encoding": "gzip", "grpc-accept-encoding": "identity, gzip" };
    const large = await http.send(INFER, request(1_000), headers);
    expect(large.headers["grpc-encoding"]).toBe("gzip");
    expect(large.body[0]).toBe(1);
    const { rawOutputContents } = decodeMessage(ModelInferResponse, gunzipSync(large.body.subarray(5)));
    expect(rawOutputContents).toEqual([new Uint8Array(16_000)]);
    expect((await http.send(INFER, request(1), headers)).body[0]).toBe(0);
    const plain = await http.send(INFER, request(1_000), { "grpc-encoding": "gzip" });
    expect(plain.headers).not.toHaveProperty("grpc-encoding");
    expect(plain.body[0]).toBe(0);
  });

  test("is counted with its outcome", async () => {
    const { address, metrics } = await startGrpcServer([rows]);
    const client = new GrpcClient(address);
    await client.call("ModelInfer", rowsRequest([1, 2, 3, 4]));
    await client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4], { model_name: "other" }));
    await eventually(() => metrics.observed.length === 2);
    expect(metrics.observed).toMatchObject([
      { model: "rows", version: 2, protocol: "grpc", code: "OK" },
      { model: "other", version: undefined, protocol: "grpc", code: "NotFound" },
    ]);
    expect(metrics.inFlightNow).toBe(0);
  });
});

describe("errors", () => {
  test.each<[string, Readonly<Record<string, unknown>>, number, RegExp]>([
    ["an unknown model", { model_name: "other" }, Code.NOT_FOUND, /model: expected a served one/],
    ["no model", { model_name: "" }, Code.INVALID_ARGUMENT, /model name: expected one, got none/],
    ["an unknown version", { model_version: "9" }, Code.NOT_FOUND, /version: expected a served one/],
    ["a version that is no number", { model_version: "latest" }, Code.NOT_FOUND, /expected an integer/],
    ["a version that is being loaded", { model_version: "3" }, Code.UNAVAILABLE, /not loaded yet/],
    ["an unknown output", { outputs: [{ name: "z" }] }, Code.INVALID_ARGUMENT, /outputs: expected "y", got "z"/],
    [
      "a wrong shape",
      { inputs: [{ name: "x", datatype: "FP32", shape: [2, 2] }] },
      Code.INVALID_ARGUMENT,
      /expected shape \[-1,4\]/,
    ],
    ["no inputs", { inputs: [], raw_input_contents: [] }, Code.INVALID_ARGUMENT, /got no "x"/],
  ])("tell of %s", async (_words, more, code, says) => {
    const { address } = await startGrpcServer([{ ...rows, loading: [3] }]);
    const error = await failure(new GrpcClient(address).call("ModelInfer", rowsRequest([1, 2, 3, 4], more)));
    expect(error.code).toBe(code);
    expect(error.details).toMatch(says);
    expect(error.metadata.getMap()["x-request-id"]).toBeDefined();
  });

  test("tell of faults of the server without their text, which is in the log", async () => {
    const infer = (): Promise<never> => Promise.reject(new Error("a secret"));
    const { address, log } = await startGrpcServer([{ ...rows, infer }]);
    const metadata = { "x-request-id": "find-me" };
    const error = await failure(new GrpcClient(address).call("ModelInfer", rowsRequest([1, 2, 3, 4]), { metadata }));
    expect(error.code).toBe(Code.INTERNAL);
    expect(error.details).not.toContain("secret");
    expect(log.filter((line) => line.includes("a secret") && line.includes("find-me"))).toHaveLength(1);
  });

  test("tell of too many requests, and of when to try again", async () => {
    const model = heldModel();
    const { address, server } = await startGrpcServer([model], { maxInFlight: 1 });
    const client = new GrpcClient(address);
    const held = failure(client.call("ModelInfer", rowsRequest([1, 2, 3, 4])));
    await eventually(() => model.waiting() === 1);
    const error = await failure(client.call("ModelInfer", rowsRequest([1, 2, 3, 4])));
    expect(error.code).toBe(Code.RESOURCE_EXHAUSTED);
    expect(error.metadata.getMap()["grpc-retry-pushback-ms"]).toBe("1000");
    await server.close(0);
    expect((await held).code).toBe(Code.UNAVAILABLE);
  });

  test("tell of messages that are too large, also of those that only are when decompressed", async () => {
    const { address, metrics } = await startGrpcServer([rows], { limits: { maxMessageBytes: 100_000 } });
    const request = rowsRequest(Array.from({ length: 100_000 }, () => 0));
    expect(await new GrpcClient(address).codeOf("ModelInfer", request)).toBe(Code.RESOURCE_EXHAUSTED);
    const compressing = new GrpcClient(address, undefined, { "grpc.default_compression_algorithm": 2 });
    expect(await compressing.codeOf("ModelInfer", request)).toBe(Code.RESOURCE_EXHAUSTED);
    expect(metrics.inFlightNow).toBe(0);
  });

  test("tell of memory that all requests together have used up", async () => {
    const { address } = await startGrpcServer([rows], { maxBufferedBytes: 200_000 });
    const client = new GrpcClient(address);
    const large = rowsRequest(Array.from({ length: 100_000 }, () => 0));
    expect(await client.codeOf("ModelInfer", large)).toBe(Code.RESOURCE_EXHAUSTED);
    // What was taken was given back.
    const small = rowsRequest(Array.from({ length: 20_000 }, () => 0));
    for (let round = 0; round < 5; round++) expect(await client.codeOf("ModelInfer", small)).toBe(Code.OK);
  });
});

describe("a call ends", () => {
  test("at its client's deadline", async () => {
    const model = heldModel();
    const { address, metrics } = await startGrpcServer([model]);
    const client = new GrpcClient(address);
    expect(await client.codeOf("ModelInfer", rowsRequest([1, 2, 3, 4]), { timeoutMs: 100 })).toBe(
      Code.DEADLINE_EXCEEDED,
    );
    await eventually(() => model.aborted() === 1 && metrics.inFlightNow === 0);
    // Whether the client's clock or the server's was first does not matter.
    await eventually(() => metrics.observed.length === 1);
    expect(["DeadlineExceeded", "Cancelled"]).toContain(metrics.observed[0]?.code);
  });

  test("at the deadline that its client names, told by the server", async () => {
    const { port } = await startGrpcServer([heldModel()]);
    const http = await RawHttp2.open(port);
    const body = framed(encodeMessage(ModelInferRequest, rowsMessage()));
    const answer = await http.send(INFER, body, { "grpc-timeout": "50m" });
    expect(answer.status).toBe(String(Code.DEADLINE_EXCEEDED));
    expect(answer.headers["grpc-message"]).toBe("answer: expected within 50 ms, got none");
  });

  test("at the server's own deadline", async () => {
    const model = heldModel();
    const { address, metrics } = await startGrpcServer([model], { requestTimeoutMs: 60 });
    const error = await failure(
      new GrpcClient(address).call("ModelInfer", rowsRequest([1, 2, 3, 4]), { timeoutMs: 60_000 }),
    );
    expect(error.code).toBe(Code.DEADLINE_EXCEEDED);
    expect(error.details).toBe("answer: expected within 60 ms, got none");
    await eventually(() => model.aborted() === 1 && metrics.observed[0]?.code === "DeadlineExceeded");
  });

  test("when its client cancels it", async () => {
    const model = heldModel();
    const { address, metrics } = await startGrpcServer([model]);
    const cancelling = new AbortController();
    const code = new GrpcClient(address).codeOf("ModelInfer", rowsRequest([1, 2, 3, 4]), { signal: cancelling.signal });
    await eventually(() => model.waiting() === 1);
    cancelling.abort();
    expect(await code).toBe(Code.CANCELLED);
    await eventually(() => model.aborted() === 1 && metrics.inFlightNow === 0);
    expect(metrics.observed).toMatchObject([{ code: "Cancelled" }]);
  });

  test("when its message does not arrive in time", async () => {
    const { port } = await startGrpcServer([rows], { limits: { receiveTimeoutMs: 60 } });
    const call = (await RawHttp2.open(port)).begin(INFER);
    call.stream.write(framed(Buffer.alloc(100)).subarray(0, 20));
    const answer = await call.answer;
    expect(answer.status).toBe(String(Code.DEADLINE_EXCEEDED));
    expect(answer.headers["grpc-message"]).toBe("message: expected all of it within 60 ms, got a part");
  });
});

function rowsMessage() {
  return {
    modelName: "rows",
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 4] }],
    rawInputContents: [new Uint8Array(16)],
  };
}

describe("what is no call of gRPC", () => {
  const good = framed(encodeMessage(ModelInferRequest, rowsMessage()));

  test("is told so", async () => {
    const { port } = await startGrpcServer([rows]);
    const http = await RawHttp2.open(port);
    const answer = await http.send(INFER, good);
    expect(answer).toMatchObject({ status: "0", trailers: { "grpc-status": "0" } });
    expect(decodeMessage(ModelInferResponse, answer.body.subarray(5)).modelName).toBe("rows");

    expect((await http.send("/no.Such/Method", good)).status).toBe(String(Code.UNIMPLEMENTED));
    expect((await http.send(`${INFER}?x`, good)).status).toBe(String(Code.UNIMPLEMENTED));
    expect((await http.send(INFER, good, { "content-type": "application/json" })).headers[":status"]).toBe(415);
    expect((await http.send(INFER, good, { "content-type": "application/grpc+json" })).headers[":status"]).toBe(415);
    expect((await http.send(INFER, good, { "content-type": "application/grpc+proto" })).status).toBe("0");
    expect((await http.send(INFER, good, { ":method": "PUT" })).headers[":status"]).toBe(405);
    expect((await http.send(INFER, good, { "grpc-timeout": "soon" })).status).toBe(String(Code.INVALID_ARGUMENT));
  });

  test.each<[string, Uint8Array, Readonly<Record<string, string>>, number, RegExp]>([
    ["no message", Buffer.alloc(0), {}, Code.INVALID_ARGUMENT, /expected one, got none/],
    ["two messages", Buffer.concat([good, good]), {}, Code.INVALID_ARGUMENT, /expected one, got more/],
    ["half a message", good.subarray(0, 20), {}, Code.INVALID_ARGUMENT, /expected the whole of it, got a part/],
    ["half a head", good.subarray(0, 3), {}, Code.INVALID_ARGUMENT, /got a part/],
    ["a head that is none", framed(good, 7), {}, Code.INVALID_ARGUMENT, /0 or 1 as its first byte/],
    ["bytes that are no message", framed(Buffer.from("hello there")), {}, Code.INVALID_ARGUMENT, /message: expected/],
    ["a compressed message of no encoding", framed(gzipSync(good), 1), {}, Code.INVALID_ARGUMENT, /grpc-encoding/],
    [
      "an unknown encoding",
      good,
      { "grpc-encoding": "zstd" },
      Code.UNIMPLEMENTED,
      /expected one of identity,deflate,gzip/,
    ],
    [
      "bytes that are not compressed",
      framed(good, 1),
      { "grpc-encoding": "gzip" },
      Code.INVALID_ARGUMENT,
      /expected gzip, got other bytes/,
    ],
  ])("%s is refused", async (_words, body, headers, code, says) => {
    const { port } = await startGrpcServer([rows]);
    const answer = await (await RawHttp2.open(port)).send(INFER, body, headers);
    expect(answer.status).toBe(String(code));
    expect(decodeURIComponent(String(answer.headers["grpc-message"]))).toMatch(says);
    expect(answer.headers[":status"]).toBe(200);
  });

  test("an unknown encoding is answered with those that are known", async () => {
    const { port } = await startGrpcServer([rows]);
    const answer = await (await RawHttp2.open(port)).send(INFER, good, { "grpc-encoding": "zstd" });
    expect(answer.headers["grpc-accept-encoding"]).toBe("identity,deflate,gzip");
  });

  test("who sends more than is read is told why, and can go on", async () => {
    const { port } = await startGrpcServer([rows], { limits: { maxMessageBytes: 1_000 } });
    const http = await RawHttp2.open(port);
    const answer = await http.send(INFER, framed(Buffer.alloc(5_000_000)));
    expect(answer.status).toBe(String(Code.RESOURCE_EXHAUSTED));
    expect((await http.send(INFER, good)).status).toBe("0");
  });
});

test("protocols that are switched off have no methods", async () => {
  const { port } = await startGrpcServer([rows], { protocols: ["predict"] });
  const http = await RawHttp2.open(port);
  expect((await http.send(INFER, framed(Buffer.alloc(0)))).status).toBe(String(Code.UNIMPLEMENTED));
  const predict = "/tensorflow.serving.PredictionService/Predict";
  expect((await http.send(predict, framed(Buffer.alloc(0)))).status).toBe(String(Code.UNIMPLEMENTED));
  expect((await http.send("/grpc.health.v1.Health/Check", framed(Buffer.alloc(0)))).status).toBe("0");
});
