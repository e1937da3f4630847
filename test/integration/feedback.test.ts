import path from "node:path";
import { generateKeyPairSync, sign } from "node:crypto";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { SIGNATURE_HEADER, signedText } from "../../common/admin-api.ts";
import { OUTCOMES_PATH } from "../../common/monitoring-api.ts";
import { GrpcClient } from "./grpc-fixtures.ts";
import { askIris, FLOWERS, startMonitoredReplica } from "./monitored-replica.ts";
import { EXAMPLES, temporaryFolder } from "./runtime-under-test.ts";

async function tell(
  url: string,
  body: unknown,
  target = "/v2/models/iris/feedback",
): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url + target, { method: "POST", body: JSON.stringify(body) });
  return { status: response.status, body: await response.json() };
}

const NONE = { joined: 0, waiting: 0, duplicate: 0, refused: 0 };
const feedback = (result: string, version = "1"): string =>
  `lockstep_feedback_total{model="iris",version="${version}",result="${result}"}`;
const correct = (version: string): string => `lockstep_outcome_correct_total{model="iris",version="${version}"}`;
const labels = (version: string): string =>
  `lockstep_outcome_rows_total{model="iris",version="${version}",kind="label"}`;

describe("a replica that is told outcomes", () => {
  test("joins them with what it predicted, and its metrics show how many were right", async () => {
    const { url, metric } = await startMonitoredReplica();
    const { id } = await askIris(url);
    // Iris says 0, 1 and 2.
    expect(await tell(url, { id, outcome: [0, 1, 1] })).toEqual({ status: 200, body: { ...NONE, joined: 1 } });
    expect(await metric(labels("1"))).toBe(3);
    expect(await metric(correct("1"))).toBe(2);
    expect(await metric(feedback("joined"))).toBe(1);
    expect(await tell(url, { id, outcome: [0, 1, 2] })).toEqual({ status: 200, body: { ...NONE, duplicate: 1 } });
    expect(await metric(correct("1"))).toBe(2);
  });

  test("finds predictions by the client's own ids", async () => {
    const { url, metric } = await startMonitoredReplica();
    await askIris(url, FLOWERS.slice(0, 1), { headers: { "x-request-id": "of-a-header-that-is-long-enough" } });
    await askIris(url, FLOWERS.slice(1, 2), { id: "of-a-body" });
    const outcomes = [
      { id: "of-a-header-that-is-long-enough", outcome: "0" },
      { id: "of-a-body", outcome: 1 },
      { id: "of-nobody", outcome: 1 },
    ];
    expect(await tell(url, { feedback: outcomes })).toEqual({ status: 202, body: { ...NONE, joined: 2, waiting: 1 } });
    expect(await metric(correct("1"))).toBe(2);
    expect(await metric(feedback("waiting", ""))).toBe(1);
  });

  test("finds predictions that were asked for over gRPC, alone and in a stream", async () => {
    const { url, replica, metric } = await startMonitoredReplica();
    const client = new GrpcClient(`127.0.0.1:${replica.grpcPort}`);
    const request = (flower: number, id = ""): Record<string, unknown> => ({
      id,
      model_name: "iris",
      inputs: [{ name: "input", datatype: "FP32", shape: [1, 4], contents: { fp32_contents: FLOWERS[flower] } }],
    });
    await client.call("ModelInfer", request(1), { metadata: { "x-request-id": "of-metadata" } });
    const { headers } = await client.call("ModelInfer", request(2));
    const stream = client.open("ModelStreamInfer");
    stream.send(request(0, "of-an-item"));
    await stream.received(1);
    const outcomes = [
      { id: "of-metadata", outcome: 1 },
      { id: headers["x-request-id"], outcome: 2 },
      { id: "of-an-item", outcome: 0 },
    ];
    expect(await tell(url, { feedback: outcomes })).toEqual({ status: 200, body: { ...NONE, joined: 3 } });
    expect(await metric(correct("1"))).toBe(3);
  });

  test("says what it does not take, and takes the rest", async () => {
    const { url } = await startMonitoredReplica();
    const { id } = await askIris(url);
    const { id: other } = await askIris(url, FLOWERS.slice(0, 1));
    expect(await tell(url, { id, outcome: 1 })).toEqual({
      status: 400,
      body: { error: "outcome: expected 3 values, one for each row, got 1" },
    });
    const outcomes = [
      { id, outcome: 1 },
      { id: other, outcome: 0 },
    ];
    expect(await tell(url, { feedback: outcomes })).toEqual({
      status: 200,
      body: {
        ...NONE,
        joined: 1,
        refused: 1,
        problems: [{ index: 0, problem: "outcome: expected 3 values, one for each row, got 1" }],
      },
    });
    expect(await tell(url, { id: 5 })).toMatchObject({ status: 400 });
    expect(await tell(url, { id, outcome: 1 }, "/v2/models/roses/feedback")).toMatchObject({ status: 404 });
    expect(await tell(url, { id, outcome: 1 }, "/v2/models/iris/versions/one/feedback")).toMatchObject({ status: 404 });
    expect((await fetch(`${url}/v2/models/iris/feedback`)).status).toBe(405);
  });

  test("keeps versions apart", async () => {
    const folder = await temporaryFolder();
    await mkdir(path.join(folder, "iris"), { recursive: true });
    for (const version of ["1", "2"])
      await cp(path.join(EXAMPLES, "models/iris/1"), path.join(folder, "iris", version), { recursive: true });
    const { url, metric } = await startMonitoredReplica({
      model: { storageUri: `file://${folder}/iris`, versionPolicy: { kind: "all" } },
    });
    const one = await askIris(url, FLOWERS.slice(0, 1), { path: "/v2/models/iris/versions/1/infer" });
    const two = await askIris(url, FLOWERS.slice(0, 1));
    expect(await tell(url, { id: two.id, outcome: 0 }, "/v2/models/iris/versions/1/feedback")).toEqual({
      status: 400,
      body: { error: "id: expected one of a prediction of version 1, got one of version 2" },
    });
    expect(await tell(url, { id: one.id, outcome: 1 }, "/v2/models/iris/versions/1/feedback")).toMatchObject({
      status: 200,
    });
    expect(await tell(url, { id: two.id, outcome: 0 })).toMatchObject({ status: 200 });
    expect([await metric(labels("1")), await metric(correct("1"))]).toEqual([1, 0]);
    expect([await metric(labels("2")), await metric(correct("2"))]).toEqual([1, 1]);
  });

  test("sums the errors of numbers", async () => {
    const { url, metric } = await startMonitoredReplica({
      model: { name: "diabetes", storageUri: `file://${EXAMPLES}/models/diabetes` },
    });
    const metadata = (await (await fetch(`${url}/v2/models/diabetes`)).json()) as {
      inputs: { name: string; datatype: string; shape: number[] }[];
    };
    const [input] = metadata.inputs;
    const columns = input?.shape[1] ?? 0;
    const response = await fetch(`${url}/v2/models/diabetes/infer`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        inputs: [{ ...input, shape: [1, columns], data: Array.from({ length: columns }, () => 0) }],
      }),
    });
    const { outputs } = (await response.json()) as { outputs: { data: number[] }[] };
    const predicted = outputs[0]?.data[0] ?? Number.NaN;
    const id = response.headers.get("x-request-id");
    expect(await tell(url, { id, outcome: predicted + 3 }, "/v2/models/diabetes/feedback")).toMatchObject({
      status: 200,
    });
    const of = 'model="diabetes",version="1"';
    expect(await metric(`lockstep_outcome_rows_total{${of},kind="number"}`)).toBe(1);
    expect(await metric(`lockstep_outcome_absolute_error_total{${of}}`)).toBeCloseTo(3, 3);
    expect(await metric(`lockstep_outcome_squared_error_total{${of}}`)).toBeCloseTo(9, 3);
  });

  test("has no such call where it is switched off", async () => {
    const { url } = await startMonitoredReplica({ model: { feedback: { enabled: false } } });
    expect(await tell(url, { id: "a", outcome: 1 })).toEqual({
      status: 501,
      body: { error: "feedback: it is switched off for this model (monitoring.feedback.enabled)" },
    });
  });

  test("joins what the operator brings from other replicas, and obeys nobody else", async () => {
    const folder = await temporaryFolder();
    const { publicKey, privateKey } = generateKeyPairSync("ed25519");
    const keyFile = path.join(folder, "operator.pem");
    await writeFile(keyFile, publicKey.export({ type: "spki", format: "pem" }));
    const { url, replica, metric } = await startMonitoredReplica({ environment: { LOCKSTEP_OPERATOR_KEY: keyFile } });
    const { id } = await askIris(url, FLOWERS.slice(0, 1));
    const body = JSON.stringify({
      model: "iris",
      outcomes: [
        { requestId: id, values: [0] },
        { requestId: "x", values: [1] },
      ],
    });
    const post = async (headers: Record<string, string>): Promise<number> =>
      (await fetch(`http://127.0.0.1:${replica.adminPort}${OUTCOMES_PATH}`, { method: "POST", headers, body })).status;
    expect(await post({})).toBe(401);
    const text = signedText({ method: "POST", path: OUTCOMES_PATH, body });
    const signed = sign(null, Buffer.from(text), privateKey).toString("base64");
    expect(await post({ [SIGNATURE_HEADER]: signed })).toBe(204);
    expect(await metric(correct("1"))).toBe(1);
    expect(await metric(feedback("waiting", ""))).toBe(0);
  });
});
