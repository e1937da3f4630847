import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createHttpClient, DEFAULT_HTTP_TIMEOUTS } from "../../../../runtime/storage/http-client.ts";
import { createNetworkGuard, resolveBySystem } from "../../../../runtime/storage/network-guard.ts";

const NEVER = new AbortController().signal;

test("a client that was never used is disposed of at once", async () => {
  const client = createHttpClient(createNetworkGuard([], resolveBySystem), DEFAULT_HTTP_TIMEOUTS);
  await expect(client[Symbol.asyncDispose]()).resolves.toBeUndefined();
});

test("after its disposal a client opens no connection, whether it was used before or not", async () => {
  const server = createServer((_, response) => response.end("ok")).listen(0, "127.0.0.1");
  await once(server, "listening");
  let connections = 0;
  server.on("connection", () => connections++);
  const { port } = server.address() as AddressInfo;
  const request = { method: "GET", origin: `http://127.0.0.1:${port}`, path: "/", headers: {} } as const;
  try {
    for (const uses of [0, 1]) {
      const client = createHttpClient(createNetworkGuard([], resolveBySystem), DEFAULT_HTTP_TIMEOUTS);
      for (let use = 0; use < uses; use++) await (await client.request(request, NEVER)).body.dump();
      await client[Symbol.asyncDispose]();
      const before = connections;
      await expect(client.request(request, NEVER)).rejects.toThrow(/destroyed|closed/i);
      expect(connections).toBe(before);
    }
  } finally {
    server.closeAllConnections();
    server.close();
  }
});
