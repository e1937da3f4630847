import { describe, expect, test } from "vitest";
import { benchModel } from "../../../bench/bench-models.ts";
import { encodingFor, PEERS, type Peer } from "../../../bench/peers/peer.ts";
import { faultOf, readGrpcAnswer, readHttpAnswer } from "../../../bench/wire/answer.ts";
import { InferRequestMessage, InferResponseMessage, MODEL_INFER_PATH, targetOf } from "../../../bench/wire/encoding.ts";
import { seededRandom } from "../../fixtures/random-numbers.ts";

const PORTS = { http: 8080, grpc: 9000 };
const iris = required(benchModel("iris"));

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("expected the model of the examples");
  return value;
}

function httpRequest(encoding: "json" | "binary"): { head: string[]; body: Buffer } {
  const target = targetOf(iris, encoding, PORTS);
  if (target.kind !== "http1") throw new Error("expected HTTP");
  const bytes = Buffer.from(target.request);
  const end = bytes.indexOf("\r\n\r\n");
  return { head: bytes.toString("latin1", 0, end).split("\r\n"), body: bytes.subarray(end + 4) };
}

describe("requests", () => {
  test("in JSON, numbers in full", () => {
    const { head, body } = httpRequest("json");
    expect(head[0]).toBe("POST /v2/models/iris/infer HTTP/1.1");
    expect(head).toContain(`Content-Length: ${body.length}`);
    expect(JSON.parse(body.toString())).toEqual({
      inputs: [{ name: "input", shape: [1, 4], datatype: "FP32", data: [...Float32Array.of(5.1, 3.5, 1.4, 0.2)] }],
    });
  });

  test("with the binary tensor extension", () => {
    const { head, body } = httpRequest("binary");
    const [, length] = head.find((field) => field.startsWith("Inference-Header-Content-Length"))?.split(": ") ?? [];
    expect(body.length).toBe(Number(length) + 16);
    expect(body.readFloatLE(Number(length) + 4)).toBe(3.5);
    expect(JSON.parse(body.toString("utf8", 0, Number(length)))).toMatchObject({
      parameters: { binary_data_output: true },
      inputs: [{ name: "input", parameters: { binary_data_size: 16 } }],
    });
  });

  test("by gRPC, with raw contents", () => {
    const target = targetOf(iris, "grpc", PORTS);
    if (target.kind !== "grpc") throw new Error("expected gRPC");
    expect(target.path).toBe(MODEL_INFER_PATH);
    const message = InferRequestMessage.toObject(InferRequestMessage.decode(target.message), { longs: Number });
    expect(message).toMatchObject({ model_name: "iris", inputs: [{ name: "input", datatype: "FP32", shape: [1, 4] }] });
  });
});

describe("answers", () => {
  const expected = [{ name: "output", shape: [1, 2], data: [0.25, 3] }];

  test("in JSON, nested or flat", () => {
    const body = Buffer.from(
      JSON.stringify({ outputs: [{ name: "output", shape: [1, 2], datatype: "FP32", data: [[0.25, 3]] }] }),
    );
    expect(readHttpAnswer(body, undefined)).toEqual(expected);
  });

  test("with binary tensors", () => {
    const json = Buffer.from(
      JSON.stringify({
        outputs: [
          { name: "label", shape: [1], datatype: "INT64", parameters: { binary_data_size: 8 } },
          { name: "output", shape: [1, 2], datatype: "FP32", parameters: { binary_data_size: 8 } },
        ],
      }),
    );
    const raw = [new Uint8Array(BigInt64Array.of(7n).buffer), new Uint8Array(Float32Array.of(0.25, 3).buffer)];
    const answer = readHttpAnswer(Buffer.concat([json, ...raw]), json.length);
    expect(answer).toEqual([{ name: "label", shape: [1], data: [7] }, ...expected]);
  });

  test("by gRPC, with raw and with typed contents", () => {
    const output = { name: "output", datatype: "FP32", shape: [1, 2] };
    const raw = { outputs: [output], raw_output_contents: [new Uint8Array(Float32Array.of(0.25, 3).buffer)] };
    const typed = { outputs: [{ ...output, contents: { fp32_contents: [0.25, 3] } }] };
    for (const answer of [raw, typed]) {
      expect(readGrpcAnswer(InferResponseMessage.encode(answer).finish())).toEqual(expected);
    }
  });

  test("are compared with what they should be", () => {
    expect(faultOf([{ name: "output", shape: [2], data: [0.2500001, 3] }], expected)).toBeUndefined();
    expect(faultOf([], expected)).toBe("output output is missing");
    expect(faultOf([{ name: "output", shape: [1], data: [0.25] }], expected)).toMatch(/expected 2 numbers/);
    expect(faultOf([{ name: "output", shape: [1, 2], data: [0.25, 3.1] }], expected)).toMatch(/output\[1\]/);
    expect(faultOf([{ name: "output", shape: [1, 2], data: [0.25, Number.NaN] }], expected)).toMatch(/output\[1\]/);
  });
});

test("a server without the binary extension is asked by gRPC, a reference is not", () => {
  const peers: readonly Peer[] = PEERS;
  const encodings = peers.map((peer) => [peer.name, encodingFor(peer, "binary")]);
  expect(Object.fromEntries(encodings)).toMatchObject({
    lockstep: "binary",
    triton: "binary",
    mlserver: "grpc",
    "node-http": "binary",
    "grpc-js": undefined,
  });
});

test("the numbers of a seed are always the same", () => {
  const random = seededRandom(1);
  expect([random(), random()].map((value) => value.toFixed(6))).toEqual(["0.627074", "0.002736"]);
  expect(seededRandom(2)()).not.toBe(seededRandom(3)());
});
