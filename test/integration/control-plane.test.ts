import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { callApi } from "./api-access.ts";
import { startControlPlane } from "./control-plane.ts";

test("control planes run side by side and leave nothing behind", async () => {
  const controlPlanes = await Promise.all([startControlPlane(), startControlPlane()]);
  const [first, second] = controlPlanes;
  try {
    expect(first.access.server).not.toBe(second.access.server);
    const namespace = { type: "application/json", body: JSON.stringify({ metadata: { name: "only-in-first" } }) };
    expect((await callApi(first.access, "POST", "/api/v1/namespaces", namespace)).status).toBe(201);
    expect((await callApi(second.access, "GET", "/api/v1/namespaces/only-in-first")).status).toBe(404);
    expect((await callApi({ ...first.access, token: "wrong" }, "GET", "/api/v1/namespaces")).status).toBe(401);
  } finally {
    await Promise.all(controlPlanes.map(async (controlPlane) => controlPlane.stop()));
  }
  expect(existsSync(first.kubeconfig)).toBe(false);
  await expect(callApi(first.access, "GET", "/readyz")).rejects.toThrow("ECONNREFUSED");
});
