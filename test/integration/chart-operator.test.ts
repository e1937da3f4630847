import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { readOperatorConfig } from "../../operator/config.ts";
import type { KubeConnection } from "../../operator/kube/connection.ts";
import { startOperator, type Operator } from "../../operator/operator.ts";
import { CHART } from "../programs/chart.ts";
import { provideHelm } from "../programs/helm.ts";
import { runProgram } from "../programs/run-program.ts";
import type { ApiAccess } from "./api-access.ts";
import { createNamespace, send } from "./cluster-access.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";

const WITHIN = { timeout: 20_000, interval: 100 };
const HOME = "lockstep-system";
const API_SERVICE = "/apis/apiregistration.k8s.io/v1/apiservices/v1beta2.custom.metrics.k8s.io";

let controlPlane: ControlPlane;
let operator: Operator | undefined;
beforeAll(async () => {
  controlPlane = await startControlPlane({ controllerManager: true });
});
afterAll(async () => {
  await operator?.stop();
  await controlPlane.stop();
});

/** The access of the service account that the chart made, as its pods have it. */
async function accessOfOperator(): Promise<ApiAccess> {
  const { access } = controlPlane;
  const token = `/api/v1/namespaces/${HOME}/serviceaccounts/lockstep/token`;
  const { body } = await send(access, "POST", token, { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest" });
  return { ...access, token: (body as { status: { token: string } }).status.token };
}

function connectionOf({ server, token, certificateAuthority }: ApiAccess): KubeConnection {
  const credentials = { headers: { authorization: `Bearer ${token}` }, tls: { ca: certificateAuthority } };
  return { server, credentials: () => Promise.resolve(credentials) };
}

async function statusOf(resource: string): Promise<number> {
  return (await send(controlPlane.access, "GET", resource)).status;
}

test("the chart's permissions are all that the operator needs", async () => {
  const { access, kubeconfig } = controlPlane;
  const cluster = ["--kubeconfig", kubeconfig, "--namespace", HOME];
  const installed = await runProgram([
    await provideHelm(),
    "install",
    "lockstep",
    CHART,
    "--create-namespace",
    ...cluster,
  ]);
  expect(installed).toMatchObject({ status: 0 });
  const log: string[] = [];
  const lost: string[] = [];
  operator = await startOperator({
    config: readOperatorConfig({
      LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_CONSOLE_PORT: "0",
      LOCKSTEP_METRICS_API_PORT: "0",
      POD_NAME: "operator",
      POD_NAMESPACE: HOME,
    }),
    connection: connectionOf(await accessOfOperator()),
    logger: createLogger({ name: "operator", level: "debug", destination: { write: (line) => log.push(line) } }),
    onLost: () => lost.push("the lead"),
  });
  await operator.leading;

  const namespace = await createNamespace(access, "team");
  const services = `/apis/serving.lockstep.dev/v1alpha1/namespaces/${namespace}/inferenceservices`;
  const predictor = { onnx: { storageUri: "s3://models/digits" }, maxReplicas: 3 };
  const created = await send(access, "POST", services, {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: { name: "digits" },
    spec: { predictor },
  });
  expect(created.status).toBe(201);

  const autoscaler = `/apis/autoscaling/v2/namespaces/${namespace}/horizontalpodautoscalers/digits-predictor`;
  const budget = `/apis/policy/v1/namespaces/${namespace}/poddisruptionbudgets/digits-predictor`;
  // Made last, after all that it owns.
  await vi.waitFor(async () => {
    const { body } = await send(access, "GET", `${services}/digits`);
    const { status } = body as { status?: { observedGeneration?: number; conditions?: readonly object[] } };
    expect(status).toMatchObject({ observedGeneration: 1, url: "http://digits.team.svc.cluster.local" });
  }, WITHIN);
  expect(await statusOf(`/apis/apps/v1/namespaces/${namespace}/deployments/digits-predictor`)).toBe(200);
  expect(await statusOf(`/api/v1/namespaces/${namespace}/services/digits`)).toBe(200);
  expect(await statusOf(autoscaler)).toBe(200);
  expect(await statusOf(budget)).toBe(200);

  // Prunes what is no longer wanted.
  await send(access, "PATCH", `${services}/digits`, { spec: { predictor: { maxReplicas: null } } });
  await vi.waitFor(async () => expect(await statusOf(autoscaler)).toBe(404), WITHIN);
  await vi.waitFor(async () => expect(await statusOf(budget)).toBe(404), WITHIN);

  await vi.waitFor(async () => {
    const { body } = await send(access, "GET", `/apis/events.k8s.io/v1/namespaces/${namespace}/events`);
    const { items } = body as { items: readonly { regarding: { kind: string } }[] };
    expect(items.map(({ regarding }) => regarding.kind)).toContain("InferenceService");
  }, WITHIN);
  // Tells the API servers of its certificate, and an upgrade leaves that as it is.
  const caBundle = async () => {
    const { body } = await send(access, "GET", API_SERVICE);
    return (body as { spec: { caBundle?: string } }).spec.caBundle;
  };
  const known = await vi.waitFor(async () => {
    const found = await caBundle();
    expect(found).toMatch(/^[A-Za-z0-9+/=]{400,}$/);
    return found;
  }, WITHIN);
  const labels = ["--set", "commonLabels.upgraded=yes"];
  expect(await runProgram([await provideHelm(), "upgrade", "lockstep", CHART, ...labels, ...cluster])).toMatchObject({
    status: 0,
  });
  const { metadata } = (await send(access, "GET", API_SERVICE)).body as { metadata: { labels: object } };
  expect(metadata.labels).toMatchObject({ upgraded: "yes" });
  expect(await caBundle()).toBe(known);

  expect(log.filter((line) => /forbidden|cannot \w+ resource/i.test(line))).toEqual([]);
  expect(lost).toEqual([]);
});
