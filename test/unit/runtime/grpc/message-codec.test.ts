import * as fc from "fast-check";
import type protobuf from "protobufjs";
import { describe, expect, test } from "vitest";
import { InferParameter, ModelInferRequest, ModelStatistics } from "../../../../runtime/grpc/proto/inference.gen.ts";
import { TensorProto } from "../../../../runtime/grpc/proto/tensorflow.gen.ts";
import { decodeMessage, encodeMessage } from "../../../../runtime/grpc/wire/message-codec.ts";
import type { Field, MessageType } from "../../../../runtime/grpc/wire/message-type.ts";
import { loadProtos, MESSAGE_TYPES, messageOf, outcomeOf } from "./proto-types.ts";
import { runCount } from "../../../fixtures/run-count.ts";

const protos = loadProtos();
/** More than 10,000 messages in all. */
const RUNS = runCount(160);

/** A message of ours in the form of protobufjs, which has texts for 64 bits and objects for maps. */
function toOther(type: MessageType<object>, message: object): Record<string, unknown> {
  const values = message as Record<string, unknown>;
  return Object.fromEntries(
    type.fields.flatMap((field): [string, unknown][] => {
      const value = values[field.name];
      return value === undefined ? [] : [[field.name, valueToOther(field, value)]];
    }),
  );
}

function valueToOther(field: Field, value: unknown): unknown {
  if (field.kind === "map") {
    const entries = [...(value as Map<string, object>)];
    return Object.fromEntries(entries.map(([key, each]) => [key, toOther(field.type(), each)]));
  }
  const single = (each: unknown): unknown => {
    if (field.kind === "message") return toOther(field.type(), each as object);
    return typeof each === "bigint" ? String(each) : each;
  };
  return field.isRepeated === true ? (value as unknown[]).map(single) : single(value);
}

/** What protobufjs has read, in our form. */
function fromOther(type: MessageType<object>, other: Record<string, unknown>): object {
  const message = type.create() as Record<string, unknown>;
  for (const field of type.fields) {
    const value = other[field.name];
    if (value === undefined || value === null) continue;
    message[field.name] = valueFromOther(field, value);
  }
  return message;
}

function valueFromOther(field: Field, value: unknown): unknown {
  if (field.kind === "map") {
    const entries = Object.entries(value as Record<string, Record<string, unknown>>);
    return new Map(entries.map(([key, each]) => [key, fromOther(field.type(), each)]));
  }
  const single = (each: unknown): unknown => {
    if (field.kind === "message") return fromOther(field.type(), each as Record<string, unknown>);
    if (field.kind === "int64" || field.kind === "uint64") return BigInt(each as string);
    return field.kind === "bytes" ? new Uint8Array(each as Uint8Array) : each;
  };
  return field.isRepeated === true ? (value as unknown[]).map(single) : single(value);
}

function readByOther(type: protobuf.Type, bytes: Uint8Array): Record<string, unknown> {
  return type.toObject(type.decode(bytes), { longs: String });
}

/** Names that would be taken for the prototype are another implementation's problem. */
function hasOddKey(value: unknown): boolean {
  if (value instanceof Map) return [...value].some(([key, each]) => key === "__proto__" || hasOddKey(each));
  if (Array.isArray(value)) return value.some(hasOddKey);
  if (value instanceof Uint8Array || typeof value !== "object" || value === null) return false;
  return Object.values(value).some(hasOddKey);
}

describe.each(MESSAGE_TYPES.map((type) => [type.name, type] as const))("%s", (name, type) => {
  const other = protos.lookupType(name);

  test("is written as protobufjs reads it, and read as protobufjs writes it", () => {
    fc.assert(
      fc.property(messageOf(type), (message) => {
        fc.pre(!hasOddKey(message));
        const bytes = encodeMessage(type, message);
        expect(fromOther(type, readByOther(other, bytes))).toEqual(message);
        const theirs = other.encode(other.fromObject(toOther(type, message))).finish();
        expect(decodeMessage(type, Buffer.from(theirs))).toEqual(message);
        expect(decodeMessage(type, bytes)).toEqual(message);
      }),
      { numRuns: RUNS },
    );
  });
});

describe("malformed messages", () => {
  const samples = [ModelInferRequest, ModelStatistics, TensorProto] as readonly MessageType<object>[];

  test.each(samples.map((type) => [type.name, type] as const))("of %s are read, or refused as such", (_name, type) => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 8 });
    fc.assert(
      fc.property(messageOf(type), edits, fc.nat(), (message, changes, cut) => {
        const bytes = Buffer.from(encodeMessage(type, message));
        for (const [at, value] of changes) if (bytes.length > 0) bytes[at % bytes.length] = value;
        expectReadOrRefused(type, bytes.subarray(0, bytes.length - (cut % 4)));
      }),
      { numRuns: runCount(1_000) },
    );
  });

  test("of any bytes are read, or refused as such", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expectReadOrRefused(ModelInferRequest, Buffer.from(bytes));
      }),
      { numRuns: runCount(2_000) },
    );
  });

  function expectReadOrRefused(type: MessageType<object>, bytes: Buffer): void {
    expect(["read", "InvalidArgument"]).toContain(outcomeOf(() => decodeMessage(type, bytes)));
  }
});

describe("reading", () => {
  const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

  test("takes the last of a oneof's members", () => {
    const message = decodeMessage(InferParameter, hex("08 01 10 05"));
    expect(message).toEqual({ ...InferParameter.create(), int64Param: 5n });
  });

  test("merges a message that comes in parts", () => {
    // inference_stats { success { count: 1 } } inference_stats { success { ns: 2 } }
    const { inferenceStats } = decodeMessage(ModelStatistics, hex("32 04 0a 02 08 01 32 04 0a 02 10 02"));
    expect(inferenceStats?.success).toEqual({ count: 1n, ns: 2n });
  });

  test("takes repeated numbers packed, one by one, and mixed", () => {
    const { int64Val } = decodeMessage(TensorProto, hex("50 07 52 03 01 02 03 50 08 52 00"));
    expect(int64Val).toEqual([7n, 1n, 2n, 3n, 8n]);
  });

  test("passes over fields that it does not know, groups too", () => {
    // Field 99 as varint, fixed64, bytes and fixed32; a group with another one in it; then dtype: 3.
    const unknown = "98 06 05 99 06 0102030405060708 9a 06 01 ff 9d 06 01020304 9b 06 08 01 a3 06 08 02 a4 06 9c 06";
    expect(decodeMessage(TensorProto, hex(`${unknown} 08 03`)).dtype).toBe(3);
  });

  test.each([
    ["a tag of field 0", "00", /number of 1 or more/],
    ["a tag that is too large", "ff ff ff ff ff 01", /below 2\^29/],
    ["a varint that does not end", "08 80 80 80 80 80 80 80 80 80 80 01", /at most 64 bits/],
    ["a varint of 65 bits", "08 ff ff ff ff ff ff ff ff ff 02", /at most 64 bits/],
    ["a varint that is cut", "08 80", /cut short/],
    ["a length beyond the end", "22 05 01", /cut short/],
    ["a length beyond 2^32", "22 80 80 80 80 10", /cut short/],
    ["a part that reaches over the end of its message", "12 02 12 05 00 00 00 00 00", /cut short/],
    ["a fixed number that is cut", "2d 00 00", /cut short/],
    ["half an element in a packed field", "2a 03 00 00 00", /cut short/],
    ["another wire type", "20 01", /as wire type 2, got 0/],
    ["the end of a group that did not begin", "0c", /as wire type 0, got 4/],
    ["an unknown end of a group", "9c 06", /wire type 4/],
    ["the end of another group", "9b 06 a4 06", /end of group 99/],
    ["a group without an end", "9b 06", /cut short/],
    ["groups within groups without end", "9b 06 ".repeat(40), /nested at most/],
    ["wire type 6", "9e 06", /wire type 6/],
  ])("refuses %s", (_words, bytes, message) => {
    expect(() => decodeMessage(TensorProto, hex(bytes))).toThrow(message);
  });

  test("refuses texts that are not UTF-8, and takes all that are", () => {
    expect(() => decodeMessage(InferParameter, hex("1a 02 c3 28"))).toThrow(/UTF-8/);
    expect(decodeMessage(InferParameter, hex("1a 03 ef bf bd")).stringParam).toBe("\ufffd");
    expect(decodeMessage(InferParameter, hex("1a 04 f0 9f 98 80")).stringParam).toBe("😀");
  });

  test("refuses more elements than anybody needs", () => {
    const many = Buffer.concat([hex("52 88 d1 03"), Buffer.alloc(0x0e888, 1)]);
    expect(() => decodeMessage(TensorProto, Buffer.concat([many, many]))).toThrow(/at most 65536 elements/);
  });
});
