import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { createPersonAccess } from "../../../../operator/kube/person-access.ts";

test("a token is passed on by TLS alone: a proxy on this machine may add rights of its own", async () => {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests++;
    response.end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const people = createPersonAccess({
    server: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    credentials: () => Promise.resolve({ headers: { authorization: "Bearer of-the-operator" }, tls: {} }),
  });
  const { signal } = new AbortController();
  await expect(people.mayList("token", undefined, signal)).rejects.toMatchObject({ reason: "NotEncrypted" });
  await expect(people.change("token", { namespace: "a", name: "b" }, () => ({}), signal)).rejects.toMatchObject({
    reason: "NotEncrypted",
  });
  server.close();
  expect(requests).toBe(0);
});
