import { expect, test } from "vitest";
import { answerBytes } from "../../../../runtime/http/answer-bytes.ts";

const GOES_ON = { isLast: false, keepAliveTimeoutMs: 75_500 };

function textOf(pieces: readonly (Uint8Array | string)[]): string {
  return Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece))).toString();
}

test("an answer has its length, a date, and says what becomes of the connection", () => {
  const answer = { status: 429, body: '{"é":1}', headers: { "retry-after": "1" } };
  const text = textOf(answerBytes(answer, GOES_ON));
  expect(text.replace(/date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT/, "date: D")).toBe(
    "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/json\r\ncontent-length: 8\r\nretry-after: 1\r\n" +
      'date: D\r\nconnection: keep-alive\r\nkeep-alive: timeout=75\r\n\r\n{"é":1}',
  );
  const last = textOf(answerBytes(answer, { ...GOES_ON, isLast: true }));
  expect(last).toContain("\r\nconnection: close\r\n\r\n");
  expect(last).not.toContain("keep-alive");
});

test("bodies of every form and size come out the same", () => {
  for (const sizeBytes of [0, 10, 100_000]) {
    const bytes = Buffer.alloc(sizeBytes, "a");
    const bodies = [bytes, bytes.toString(), [bytes.subarray(0, 4), bytes.subarray(4)]];
    const texts = bodies.map((body) => textOf(answerBytes({ status: 200, body }, { ...GOES_ON, isLast: true })));
    expect(new Set(texts.map((text) => text.replace(/date: .*\r\n/, ""))).size).toBe(1);
    expect(texts[0]).toMatch(new RegExp(`content-length: ${sizeBytes}\r\n[^]*\r\n\r\na{${sizeBytes}}$`));
  }
});

test.each([
  ["a line's end in a value", { "x-a": "1\r\nx-b: 2" }],
  ["a line feed in a value", { "x-a": "1\n" }],
  ["NUL in a value", { "x-a": "\0" }],
  ["a value beyond ASCII", { "x-a": "é" }],
  ["a line's end in a name", { "x-a: 1\r\nx-b": "2" }],
  ["no name", { "": "2" }],
])("no answer is split by %s", (_name, headers) => {
  expect(() => answerBytes({ status: 200, body: "", headers }, GOES_ON)).toThrow(TypeError);
});

test("nor by its media type", () => {
  expect(() => answerBytes({ status: 200, body: "", contentType: "a/b\r\n" }, GOES_ON)).toThrow(TypeError);
});
