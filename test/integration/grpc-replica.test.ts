import path from "node:path";
import { status as Code } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { GrpcClient } from "./grpc-fixtures.ts";
import { EXAMPLES, eventually, startReplicaProcess } from "./runtime-under-test.ts";

const LENGTHS = [5.1, 3.5, 1.4, 0.2, 6.9, 3.2, 5.7, 2.3];
const STORAGE = { LOCKSTEP_STORAGE_URI: `file://${path.join(EXAMPLES, "models/iris")}` };

const request = {
  model_name: "iris",
  inputs: [{ name: "input", datatype: "FP32", shape: [2, 4], contents: { fp32_contents: LENGTHS } }],
  outputs: [{ name: "label" }],
};

test("a replica answers over gRPC as over HTTP, and ends its clients' calls in good order", async () => {
  const replica = await startReplicaProcess({ ...STORAGE, LOCKSTEP_DRAIN_DELAY_MS: "500" });
  const address = `127.0.0.1:${await replica.process.waitFor(/"grpcPort":(\d+)/)}`;
  const client = new GrpcClient(address);
  await eventually(
    async () => ((await client.call("ServerReady", {})).message["ready"] === true ? true : undefined),
    () => "a ready replica",
  );

  const { message } = await client.call("ModelInfer", request);
  expect(message).toMatchObject({
    model_version: "1",
    outputs: [{ name: "label", datatype: "INT64", shape: [2], contents: { int64_contents: [0, 2] } }],
  });
  const inputs = [{ name: "input", datatype: "FP32", shape: [2, 4], data: LENGTHS }];
  const overHttp = await fetch(`${replica.url}/v2/models/iris/infer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ inputs, outputs: [{ name: "label" }] }),
  });
  expect(await overHttp.json()).toMatchObject({ outputs: [{ name: "label", data: [0, 2] }] });

  const metrics = await (await fetch(`${replica.url}/metrics`)).text();
  expect(metrics).toMatch(/lockstep_requests_total\{[^}]*protocol="grpc"[^}]*\} 1/);

  const health = new GrpcClient(address, "grpc.health.v1.Health").watch("Watch", { service: "" });
  expect(await health.received(1)).toEqual([{ status: "SERVING" }]);
  replica.process.child.kill("SIGTERM");
  expect((await health.received(2))[1]).toEqual({ status: "NOT_SERVING" });
  expect(await client.codeOf("ModelInfer", request)).toBe(Code.OK);
  expect((await replica.process.exited).code).toBe(0);
});

test("a replica can do without gRPC", async () => {
  const replica = await startReplicaProcess({ ...STORAGE, LOCKSTEP_GRPC_PORT: "-1" });
  expect(replica.process.output).not.toContain("grpcPort");
});
