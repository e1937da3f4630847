import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Http1ResponseReader } from "../../../bench/loadgen/http1-response-reader.ts";

type Seen = [status: number, keepsAlive: boolean];

function read(chunks: readonly (string | Buffer)[]): { seen: Seen[]; reader: Http1ResponseReader } {
  const seen: Seen[] = [];
  const reader = new Http1ResponseReader((status, keepsAlive) => seen.push([status, keepsAlive]));
  for (const chunk of chunks) reader.push(Buffer.from(chunk));
  return { seen, reader };
}

const PLAIN = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
const EMPTY = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nConnection: close\r\n\r\n";
const CHUNKED =
  "HTTP/1.1 429 Too Many Requests\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel\r\n\r\n1f;name=value\r\n0123456789012345678901234567890\r\n0\r\nTrailer: x\r\n\r\n";
const NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n";
const OLD = "HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx";
const INTERIM = `HTTP/1.1 100 Continue\r\n\r\n${PLAIN}`;

describe("one response", () => {
  test.each<[string, string, Seen]>([
    ["with a length", PLAIN, [200, true]],
    ["without a body, the last one", EMPTY, [503, false]],
    ["in chunks, with an extension and a trailer", CHUNKED, [429, true]],
    ["without content", NO_CONTENT, [204, true]],
    ["of HTTP/1.0", OLD, [200, true]],
    ["after an interim one", INTERIM, [200, true]],
  ])("%s", (_words, text, expected) => {
    const { seen, reader } = read([text]);
    expect(seen).toEqual([expected]);
    expect(reader.isBetweenResponses).toBe(true);
  });
});

test("responses are told apart wherever the stream is cut", () => {
  const all = Buffer.from([PLAIN, CHUNKED, EMPTY, NO_CONTENT, INTERIM, OLD].join(""));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: all.length }), { maxLength: 20 }), (cuts) => {
      const places = [0, ...cuts.toSorted((a, b) => a - b), all.length];
      const chunks = places.slice(1).map((end, index) => all.subarray(places[index], end));
      expect(read(chunks).seen.map(([status]) => status)).toEqual([200, 429, 503, 204, 200, 200]);
    }),
  );
});

test("a response is told when its last byte is there", () => {
  const { seen, reader } = read([PLAIN.slice(0, -1)]);
  expect(seen).toEqual([]);
  expect(reader.isBetweenResponses).toBe(false);
  reader.push(Buffer.from("o"));
  expect(seen).toEqual([[200, true]]);
});

describe("what it does not understand", () => {
  test.each([
    ["no status line", "HELLO\r\n\r\n", /status line/],
    ["a body without an end", "HTTP/1.1 200 OK\r\n\r\n", /ends with the connection/],
    ["a chunk without a size", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n", /size of a chunk/],
    ["a chunk that is too long", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", /end of a chunk/],
    ["a head without an end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`, /64 KiB/],
  ])("%s", (_words, text, says) => {
    expect(() => read([text])).toThrow(says);
  });
});
