import { deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Signature } from "../../runtime/core/tensor.ts";
import { echo, eventually, post, RawClient, startServer, type TestServer } from "./http-fixtures.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "INT64", shape: [-1] }],
  outputs: [{ name: "y", datatype: "INT64", shape: [-1] }],
};
const MAX_BODY_BYTES = 200_000;
const DATA = `[${Array.from({ length: 2_000 }, (_, index) => index % 7).join(",")}]`;
const REQUEST = `{"input":${DATA}}`;
const ANSWER = `{"prediction":${DATA}}`;

let server: TestServer;
beforeAll(async () => {
  server = await startServer([{ name: "m", signature: SIGNATURE, infer: echo }], {
    limits: { maxBodyBytes: MAX_BODY_BYTES, maxBufferedBytes: 4 * MAX_BODY_BYTES },
  });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

/** A body in chunks, which node's parser reads. */
function postChunks(path: string, body: Uint8Array, lines: readonly string[]): Buffer {
  const head = [`POST ${path} HTTP/1.1`, "Host: test", "Transfer-Encoding: chunked", ...lines].join("\r\n");
  const size = body.byteLength.toString(16);
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n${size}\r\n`), body, Buffer.from("\r\n0\r\n\r\n")]);
}

async function ask(request: Uint8Array): ReturnType<RawClient["answer"]> {
  using client = await RawClient.open(server.port);
  client.write(request);
  return await client.answer();
}

const CODINGS = [
  ["gzip", gzipSync(REQUEST), "gzip"],
  ["zlib", deflateSync(REQUEST), "deflate"],
  ["bare deflate", deflateRawSync(REQUEST), "deflate"],
] as const;
const FORMS = [
  ["with its length", post],
  ["in chunks", postChunks],
] as const;

describe.each(FORMS)("a request %s", (_form, send) => {
  test.each(CODINGS)("compressed as %s is understood", async (_name, body, coding) => {
    const answer = await ask(send("/predict", body, [`Content-Encoding: ${coding}`]));
    expect([answer.status, answer.body]).toEqual([200, ANSWER]);
    expect(answer.headers.get("content-encoding")).toBeUndefined();
  });

  test("that becomes too large is refused, and leaves nothing behind", async () => {
    const bomb = gzipSync(Buffer.alloc(100 * MAX_BODY_BYTES), { level: 9 });
    for (let round = 0; round < 10; round++) {
      const answer = await ask(send("/predict", bomb, ["Content-Encoding: gzip"]));
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        413,
        { error: `body: expected at most ${MAX_BODY_BYTES} bytes, got more` },
      ]);
    }
    // All of the memory for bodies is free again.
    expect((await ask(send("/predict", gzipSync(REQUEST), ["Content-Encoding: gzip"]))).status).toBe(200);
    await eventually(() => server.metrics.inFlightNow === 0);
    expect(server.servables.acquired).toBe(server.servables.disposed);
  });
});

describe("an answer", () => {
  const compressed = async (accept: string | undefined, body = REQUEST): ReturnType<typeof ask> =>
    await ask(post("/predict", body, accept === undefined ? [] : [`Accept-Encoding: ${accept}`]));

  test.each([
    ["gzip", "gzip", gunzipSync],
    ["deflate", "deflate", inflateSync],
    ["br, deflate;q=0.2, gzip;q=0.1", "deflate", inflateSync],
  ])("is compressed for Accept-Encoding: %s", async (accept, coding, decompress) => {
    using client = await RawClient.open(server.port);
    client.write(post("/predict", REQUEST, [`Accept-Encoding: ${accept}`]));
    const { headers } = await client.answer();
    expect([headers.get("content-encoding"), headers.get("vary")]).toEqual([coding, "accept-encoding"]);
    expect(headers.get("x-lockstep-model-version")).toBe("1");
    const body = Buffer.from(client.received.slice(client.received.indexOf("\r\n\r\n") + 4), "latin1");
    expect(body.length).toBe(Number(headers.get("content-length")));
    expect(decompress(body).toString()).toBe(ANSWER);
  });

  test.each([undefined, "br", "identity", "gzip;q=0", "identity, gzip;q=0.5"])(
    "is as it is for Accept-Encoding: %s",
    async (accept) => {
      const { headers, body } = await compressed(accept);
      expect([headers.get("content-encoding"), headers.get("vary"), body]).toEqual([
        undefined,
        "accept-encoding",
        ANSWER,
      ]);
    },
  );

  test("that is short is as it is, for everybody", async () => {
    const { headers, body } = await compressed("gzip", '{"input":[1]}');
    expect([headers.get("content-encoding"), headers.get("vary"), body]).toEqual([
      undefined,
      undefined,
      '{"prediction":[1]}',
    ]);
  });

  test("is never compressed where that is switched off", async () => {
    const limits = { minCompressedBytes: 0 };
    await using plain = await startServer([{ name: "m", signature: SIGNATURE, infer: echo }], { limits });
    using client = await RawClient.open(plain.port);
    client.write(post("/predict", REQUEST, ["Accept-Encoding: gzip"]));
    const { headers, body } = await client.answer();
    expect([headers.get("content-encoding"), headers.get("vary"), body]).toEqual([undefined, undefined, ANSWER]);
  });
});
