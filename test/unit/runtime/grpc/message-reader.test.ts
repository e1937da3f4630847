import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MessageReader, type ReceivedMessage } from "../../../../runtime/grpc/server/message-reader.ts";
import { BodyBudget } from "../../../../runtime/serving/body-budget.ts";
import { runCount } from "../../../fixtures/run-count.ts";

const MAX_BYTES = 1_000_000;

function framed(message: Uint8Array, isCompressed = false): Buffer {
  const head = Buffer.from([isCompressed ? 1 : 0, 0, 0, 0, 0]);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function readAll(pieces: readonly Buffer[], budget = new BodyBudget(10_000_000)): ReceivedMessage[] {
  const reader = new MessageReader(MAX_BYTES, budget);
  const messages: ReceivedMessage[] = [];
  for (const piece of pieces) reader.push(piece, (message) => messages.push(message));
  return messages;
}

describe("messages of a call", () => {
  test("are found however the bytes are cut", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 5 });
    fc.assert(
      fc.property(messages, fc.array(fc.nat(), { maxLength: 20 }), (sent, cuts) => {
        const bytes = Buffer.concat(sent.map((message, index) => framed(message, index % 2 === 1)));
        const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
        const pieces = places.slice(1).map((end, index) => bytes.subarray(places[index], end));
        const received = readAll(pieces);
        expect(received.map((each) => new Uint8Array(each.bytes))).toEqual(sent);
        expect(received.map((each) => each.isCompressed)).toEqual(sent.map((_, index) => index % 2 === 1));
      }),
      { numRuns: runCount(1_000) },
    );
  });

  test.each([3, 16, 8_000, 65_536, 300_001])(
    "of %d bytes in pieces end at a multiple of 8, in memory of their own",
    (size) => {
      const message = Buffer.alloc(size, 7);
      const bytes = framed(message);
      const [received] = readAll([bytes.subarray(0, 5), bytes.subarray(5, 6), bytes.subarray(6)]);
      expect(received?.bytes.equals(message)).toBe(true);
      expect(received?.ownsMemory).toBe(true);
      expect(((received?.bytes.byteOffset ?? 0) + size) % 8).toBe(0);
    },
  );

  test("that come with their head are views onto what was received", () => {
    const [received] = readAll([framed(Buffer.from("abc"))]);
    expect(received).toMatchObject({ ownsMemory: false, takenBytes: 0 });
  });

  test("take memory as they come, not as they are announced, and give it back", () => {
    const budget = new BodyBudget(100_000);
    const reader = new MessageReader(MAX_BYTES, budget);
    reader.push(framed(Buffer.alloc(900_000)).subarray(0, 1_000), () => undefined);
    expect(() => budget.take(30_000)).not.toThrow();
    expect(() => reader.push(Buffer.alloc(80_000), () => undefined)).toThrow(/room for it in memory/);
    reader.discard();
    expect(() => budget.take(70_000)).not.toThrow();
    expect(() => budget.take(1)).toThrow(/room for it in memory/);
  });

  test("tell whether one is incomplete", () => {
    const reader = new MessageReader(MAX_BYTES, new BodyBudget(MAX_BYTES));
    const bytes = framed(Buffer.from("abc"));
    expect(reader.isWithin).toBe(false);
    reader.push(bytes.subarray(0, 3), () => undefined);
    expect(reader.isWithin).toBe(true);
    reader.push(bytes.subarray(3), () => undefined);
    expect(reader.isWithin).toBe(false);
  });

  test("are refused when they are too large, or none", () => {
    const announced = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
    expect(() => readAll([announced])).toThrow(/at most 1000000 bytes, got 4294967295/);
    expect(() => readAll([Buffer.from([2, 0, 0, 0, 0])])).toThrow(/0 or 1 as its first byte/);
  });
});
