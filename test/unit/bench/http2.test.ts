import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { firstRequestBlock, grpcStatusOf, laterRequestBlock } from "../../../bench/loadgen/hpack.ts";
import {
  FLAG,
  frame,
  FRAME,
  FrameReader,
  headerBlockOf,
  readSettings,
  settingsFrame,
  type Frame,
} from "../../../bench/loadgen/http2-frames.ts";

describe("frames", () => {
  const payloads = fc.array(fc.uint8Array({ maxLength: 100 }), { minLength: 1, maxLength: 10 });

  test("come out as they went in, wherever the stream is cut", () => {
    fc.assert(
      fc.property(payloads, fc.integer({ min: 1, max: 50 }), (parts, size) => {
        const bytes = Buffer.concat(parts.map((part, index) => frame(FRAME.data, index % 2, 2 * index + 1, part)));
        const reader = new FrameReader();
        const frames: Frame[] = [];
        for (let at = 0; at < bytes.length; at += size) {
          const arrived = reader.push(bytes.subarray(at, at + size));
          frames.push(...arrived.map((each) => ({ ...each, payload: Buffer.from(each.payload) })));
        }
        expect(frames.map(({ stream }) => stream)).toEqual(parts.map((_, index) => 2 * index + 1));
        expect(frames.map(({ payload }) => [...payload])).toEqual(parts.map((part) => [...part]));
      }),
    );
  });

  test("settings", () => {
    const [settings] = new FrameReader().push(
      settingsFrame([
        [4, 65_535],
        [1, 0],
      ]),
    );
    expect([...readSettings(settings?.payload ?? Buffer.alloc(0))]).toEqual([
      [4, 65_535],
      [1, 0],
    ]);
  });

  test("a header block without its padding and priority", () => {
    const payload = Buffer.from([2, 0, 0, 0, 0, 16, 0xaa, 0xbb, 0, 0]);
    const headers: Frame = { type: FRAME.headers, flags: FLAG.padded | FLAG.priority, stream: 1, payload };
    expect([...headerBlockOf(headers)]).toEqual([0xaa, 0xbb]);
  });

  test("a length that no frame has means that it is not HTTP/2", () => {
    expect(() => new FrameReader().push(Buffer.from("HTTP/1.1 400 Bad Request\r\n"))).toThrow(/HTTP\/2/);
  });
});

describe("HPACK", () => {
  test("the first request puts its fields into the table, the next ones refer to them", () => {
    const block = firstRequestBlock("/a.B/C", "127.0.0.1:80");
    expect([...block.subarray(0, 4)]).toEqual([0x83, 0x86, 0x44, 6]);
    expect(block.includes("/a.B/C")).toBe(true);
    // Static: POST, http; then path, authority, content-type and te, which came last.
    expect([...laterRequestBlock()]).toEqual([0x83, 0x86, 0x80 | 65, 0x80 | 64, 0x80 | 63, 0x80 | 62]);
  });

  const HUFFMAN_NAME = Buffer.from("889acac8b21234da8f", "hex");
  const PLAIN_NAME = Buffer.concat([Buffer.from([11]), Buffer.from("grpc-status")]);

  test.each([
    ["plain", Buffer.concat([Buffer.from([0]), PLAIN_NAME, Buffer.from([1, 0x30])]), 0],
    ["of two digits", Buffer.concat([Buffer.from([0]), PLAIN_NAME, Buffer.from([2, 0x31, 0x34])]), 14],
    ["in Huffman's code", Buffer.concat([Buffer.from([0x40]), HUFFMAN_NAME, Buffer.from([0x81, 0x07])]), 0],
    ["8 in Huffman's code", Buffer.concat([Buffer.from([0x40]), HUFFMAN_NAME, Buffer.from([0x81, 0x7b])]), 8],
    ["14 in Huffman's code", Buffer.concat([Buffer.from([0]), HUFFMAN_NAME, Buffer.from([0x82, 0x0b, 0x5f])]), 14],
    ["not there", Buffer.from([0x88]), undefined],
  ])("status %s", (_words, block, expected) => {
    expect(grpcStatusOf(block)).toBe(expected);
  });
});
