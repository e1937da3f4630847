import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHART } from "../programs/chart.ts";
import { provideHelm } from "../programs/helm.ts";
import { runProgram, type ProgramResult } from "../programs/run-program.ts";
import { send } from "./cluster-access.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";

const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferenceservices.serving.lockstep.dev";
const API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";
const API_SERVICE = `${API_SERVICES}/v1beta1.custom.metrics.k8s.io`;
const SERVICES = "/apis/serving.lockstep.dev/v1alpha1/namespaces/default/inferenceservices";

// A control plane of their own: a release owns the CustomResourceDefinition that the other tests share.
let controlPlane: ControlPlane;
let folder: string;
beforeAll(async () => {
  controlPlane = await startControlPlane();
  folder = await mkdtemp(path.join(tmpdir(), "lockstep-chart-"));
});
afterAll(async () => {
  await Promise.all([controlPlane.stop(), rm(folder, { recursive: true })]);
});

async function helm(...args: string[]): Promise<ProgramResult> {
  const kubeconfig = ["--kubeconfig", controlPlane.kubeconfig, "--namespace", "lockstep-system"];
  return runProgram([await provideHelm(), ...args, ...kubeconfig]);
}

async function status(resource: string): Promise<number> {
  return (await send(controlPlane.access, "GET", resource)).status;
}

/** A chart whose CustomResourceDefinition lacks a column that today's has. */
async function olderChart(chart: string): Promise<string> {
  await cp(CHART, chart, { recursive: true, dereference: true });
  const file = path.join(chart, "files/crds/inferenceservices.yaml");
  const crd = load(await readFile(file, "utf8")) as { spec: { versions: [{ additionalPrinterColumns: object[] }] } };
  crd.spec.versions[0].additionalPrinterColumns.pop();
  await writeFile(file, JSON.stringify(crd));
  return chart;
}

async function columns(): Promise<number> {
  const { body } = await send(controlPlane.access, "GET", CRD);
  return (body as { spec: { versions: [{ additionalPrinterColumns: object[] }] } }).spec.versions[0]
    .additionalPrinterColumns.length;
}

describe("a release, from install to install again", () => {
  test("installs everything, and its notes teach the next step", async () => {
    const chart = await olderChart(path.join(folder, "older"));
    const { status: code, stdout, stderr } = await helm("install", "lockstep", chart, "--create-namespace");
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stdout).toContain("kubectl --namespace default wait --for=condition=Ready isvc/my-model");
    expect(await status("/apis/apps/v1/namespaces/lockstep-system/deployments/lockstep")).toBe(200);
    expect(await columns()).toBe(8);
  });

  test("takes the CustomResourceDefinition along in an upgrade", async () => {
    expect((await helm("upgrade", "lockstep", CHART)).status).toBe(0);
    expect(await columns()).toBe(9);
  });

  test("leaves InferenceServices when it is uninstalled, and takes them over again", async () => {
    const service = {
      apiVersion: "serving.lockstep.dev/v1alpha1",
      kind: "InferenceService",
      metadata: { name: "kept" },
      spec: { predictor: { onnx: { storageUri: "s3://models/digits" } } },
    };
    expect((await send(controlPlane.access, "POST", SERVICES, service)).status).toBe(201);
    const uninstalled = await helm("uninstall", "lockstep");
    expect(uninstalled.stdout).toContain("[CustomResourceDefinition] inferenceservices.serving.lockstep.dev");
    expect(await status("/apis/apps/v1/namespaces/lockstep-system/deployments/lockstep")).toBe(404);
    expect(await status(`${SERVICES}/kept`)).toBe(200);
    expect((await helm("install", "lockstep", CHART)).status).toBe(0);
    expect(await status(`${SERVICES}/kept`)).toBe(200);
  });

  test("is refused where another adapter has the metrics API, and can do without", async () => {
    expect((await helm("uninstall", "lockstep")).status).toBe(0);
    expect(await status(API_SERVICE)).toBe(404);
    const service = { namespace: "monitoring", name: "adapter", port: 443 };
    const spec = {
      group: "custom.metrics.k8s.io",
      version: "v1beta1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
    };
    const metadata = { name: "v1beta1.custom.metrics.k8s.io" };
    const theirs = await send(controlPlane.access, "POST", API_SERVICES, { metadata, spec: { ...spec, service } });
    expect(theirs.status).toBe(201);
    const refused = await helm("install", "lockstep", CHART);
    expect(refused.status).not.toBe(0);
    expect(refused.stderr).toContain('APIService "v1beta1.custom.metrics.k8s.io"');
    const { status: code, stdout } = await helm("install", "lockstep", CHART, "--set", "metricsApi.enabled=false");
    expect(code).toBe(0);
    expect(stdout).toContain("metricsApi.enabled is false");
    const { body } = await send(controlPlane.access, "GET", API_SERVICE);
    expect(body).toMatchObject({ spec: { service } });
  });
});
