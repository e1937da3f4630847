import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePorts } from "../programs/free-ports.ts";
import { conditionOf, manifest, waitFor, waitReady } from "./inference-services.ts";
import { installLockstep } from "./installation.ts";
import { apply, kubectl, makeNamespace } from "./kubectl.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

/** Each way in which a model cannot be served shows its reason in the status within 10 s of being applied. */
const WITHIN_MS = 10_000;
const NAMESPACE = "e2e-failures";

let store: ModelStore;
let closedPort = 0;
beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  [closedPort = 0] = await freePorts(1);
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await store.stop();
  await installLockstep();
});

interface Fault {
  readonly name: string;
  readonly reason: string;
  readonly message: RegExp;
  readonly model?: () => { readonly storageUri: string; readonly storage?: object; readonly versionPolicy?: object };
  readonly predictor?: object;
}

const FAULTS: readonly Fault[] = [
  {
    name: "no-bucket",
    reason: "StorageNotFound",
    message: /bucket "?nowhere"?/,
    model: () => ({ storageUri: "s3://nowhere/digits" }),
  },
  {
    name: "no-model",
    reason: "StorageNotFound",
    message: /s3:\/\/broken\/empty/,
    model: () => ({ storageUri: "s3://broken/empty" }),
  },
  {
    name: "no-version",
    reason: "VersionNotFound",
    message: /7/,
    model: () => ({ storageUri: "s3://models/iris", versionPolicy: { specific: { versions: [7] } } }),
  },
  {
    name: "wrong-secret",
    reason: "StorageAccessDenied",
    message: /denied|refused|credentials/,
    model: () => ({ storageUri: "s3://models/iris", storage: { ...store.storage, secretRef: { name: "wrong" } } }),
  },
  {
    name: "no-server",
    reason: "StorageUnreachable",
    message: /refused/,
    model: () => ({
      storageUri: "s3://models/iris",
      storage: { ...store.storage, endpoint: `http://${store.server.host}:${closedPort}` },
    }),
  },
  { name: "no-onnx", reason: "InvalidModel", message: /ONNX/, model: () => ({ storageUri: "s3://broken/garbage" }) },
  {
    name: "new-opset",
    reason: "UnsupportedOpset",
    message: /999/,
    model: () => ({ storageUri: "s3://broken/future" }),
  },
  {
    name: "other-digest",
    reason: "ChecksumMismatch",
    message: /sha256|SHA-256/,
    model: () => ({
      storageUri: "s3://broken/fine",
      storage: { ...store.storage, verify: { sha256: "0".repeat(64) } },
    }),
  },
  {
    name: "too-big",
    reason: "OutOfMemory",
    message: /memory/,
    model: () => ({ storageUri: "s3://broken/greedy" }),
    predictor: { resources: { requests: { cpu: "100m", memory: "200Mi" }, limits: { memory: "256Mi" } } },
  },
  {
    name: "no-secret",
    reason: "ContainerConfigError",
    message: /secret "missing" not found/,
    model: () => ({ storageUri: "s3://models/iris", storage: { ...store.storage, secretRef: { name: "missing" } } }),
  },
  {
    name: "no-claim",
    reason: "VolumeNotReady",
    message: /persistentvolumeclaim "missing" not found/,
    model: () => ({ storageUri: "pvc://missing/digits" }),
  },
  {
    name: "no-node",
    reason: "Unschedulable",
    message: /didn't match/,
    predictor: { nodeSelector: { "example.test/planet": "mars" } },
  },
  {
    name: "too-much-cpu",
    reason: "Unschedulable",
    message: /Insufficient cpu/,
    predictor: { resources: { requests: { cpu: "1000", memory: "256Mi" } } },
  },
];

function faulty(fault: Fault): object {
  return manifest(fault.name, {
    ...fault.predictor,
    model: {
      modelFormat: { name: "onnx" },
      storageUri: "s3://models/iris",
      ...(uriOf(fault).startsWith("pvc:") ? {} : { storage: store.storage }),
      ...fault.model?.(),
    },
  });
}

function uriOf(fault: Fault): string {
  return fault.model?.().storageUri ?? "";
}

async function expectReason(fault: Fault): Promise<void> {
  const startMs = performance.now();
  await apply(faulty(fault), NAMESPACE);
  const isvc = await waitFor(
    NAMESPACE,
    fault.name,
    fault.reason,
    (status) => conditionOf(status, "Ready") === `False ${fault.reason}`,
    WITHIN_MS,
  );
  console.log(`${fault.name}: ${fault.reason} after ${Math.round(performance.now() - startMs)} ms`);
  const ready = isvc.status?.conditions?.find(({ type }) => type === "Ready");
  expect(ready?.message).toMatch(fault.message);
  expect(conditionOf(isvc.status, "Degraded")).toBe(`True ${fault.reason}`);
  const printed = await kubectl(["get", "isvc", fault.name, "-n", NAMESPACE]);
  expect(printed).toContain(fault.reason);
  expect(JSON.stringify(isvc.status)).not.toContain(store.server.secretAccessKey);
}

describe("a model that cannot be served says why", () => {
  test.each(FAULTS)("$name: $reason", async (fault) => {
    await expectReason(fault);
    await kubectl(["delete", "isvc", fault.name, "-n", NAMESPACE, "--wait=false"]);
  });

  test("and serves as soon as the cause is gone, without being touched", async () => {
    await apply(
      manifest("late", {
        model: { modelFormat: { name: "onnx" }, storageUri: "s3://late/iris", storage: store.storage },
      }),
      NAMESPACE,
    );
    await waitFor(
      NAMESPACE,
      "late",
      "StorageNotFound",
      (status) => conditionOf(status, "Ready") === "False StorageNotFound",
      WITHIN_MS,
    );
    const { cp } = await import("node:fs/promises");
    await cp(`${store.server.directory}/models/iris`, `${store.server.directory}/late/iris`, { recursive: true });
    await waitReady(NAMESPACE, "late", 45_000);
    await kubectl(["delete", "isvc", "late", "-n", NAMESPACE, "--wait=false"]);
  });

  test("authorities that are missing: VolumeNotReady, once the kubelet had its time to mount them", async () => {
    const storage = { ...store.storage, caBundle: { configMapRef: { name: "missing" } } };
    await apply(
      manifest("no-ca", { model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris", storage } }),
      NAMESPACE,
    );
    const isvc = await waitFor(
      NAMESPACE,
      "no-ca",
      "VolumeNotReady",
      (status) => conditionOf(status, "Ready") === "False VolumeNotReady",
      30_000,
    );
    expect(isvc.status?.failures?.[0]?.message).toContain("missing");
    await kubectl(["delete", "isvc", "no-ca", "-n", NAMESPACE, "--wait=false"]);
  });

  test("a quota that refuses the pods: ReplicasRefused", async () => {
    const namespace = await makeNamespace("e2e-quota");
    await store.admit(namespace);
    await apply(
      { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "none" }, spec: { hard: { pods: "0" } } },
      namespace,
    );
    await apply(
      manifest("refused", {
        model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris", storage: store.storage },
      }),
      namespace,
    );
    const isvc = await waitFor(
      namespace,
      "refused",
      "ReplicasRefused",
      (status) => conditionOf(status, "Ready") === "False ReplicasRefused",
      WITHIN_MS,
    );
    expect(isvc.status?.failures?.[0]?.message).toContain("exceeded quota");
    await kubectl(["delete", "namespace", namespace, "--wait=false"]);
  });

  test("an image that does not exist: ImagePullFailed", async () => {
    await installLockstep(["runtime.image.tag=missing", "runtime.image.pullPolicy=Never"]);
    await expectReason({ name: "no-image", reason: "ImagePullFailed", message: /missing/ });
    await kubectl(["delete", "isvc", "no-image", "-n", NAMESPACE, "--wait=false"]);
  });
});
