import { describe, expect, test } from "vitest";
import { refusalAnswer, REFUSALS } from "../../../../operator/activator/refusal.ts";

describe("a connection that is refused", () => {
  test.each(REFUSALS)("is told why in HTTP/1.1: %s", (refusal) => {
    const answer = refusalAnswer(Buffer.from("POST /v2/models/digits/infer HTTP/1.1\r\n"), refusal) ?? "";
    const [head = "", body = ""] = answer.split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1\.1 503 /);
    expect(head).toMatch(/\r\nretry-after: \d+\r\n/);
    expect(head).toMatch(/\r\nconnection: close$/);
    expect(head).toContain(`content-length: ${Buffer.byteLength(body)}`);
    expect(JSON.parse(body)).toEqual({ error: expect.any(String) });
  });

  test.each<[what: string, head: Buffer]>([
    ["HTTP/2, and so gRPC", Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
    ["TLS", Buffer.of(0x16, 3, 1, 2, 0)],
    ["nothing", Buffer.of()],
  ])("is closed without a word where it speaks %s", (_what, head) => {
    expect(refusalAnswer(head, "deadline")).toBeUndefined();
  });
});
