import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../eventually.ts";
import { applyAndWait, manifest, waitReady } from "./inference-services.ts";
import { installLockstep, OPERATOR_NAMESPACE, uninstallLockstep } from "./installation.ts";
import { kubectl, makeNamespace, read } from "./kubectl.ts";
import { startModelStore, type ModelStore } from "./model-store.ts";

const NAMESPACE = "e2e-uninstall";

let store: ModelStore;
beforeAll(async () => {
  await installLockstep();
  store = await startModelStore();
  await makeNamespace(NAMESPACE);
  await store.admit(NAMESPACE);
});
afterAll(async () => {
  await kubectl(["delete", "namespace", NAMESPACE, "--ignore-not-found"]);
  await kubectl(["delete", "crd", "inferenceservices.serving.lockstep.dev", "--ignore-not-found"]);
  // First: as long as the API server knows of an API that nobody serves, it deletes no namespace.
  await uninstallLockstep();
  await kubectl(["delete", "namespace", OPERATOR_NAMESPACE, "--ignore-not-found"]);
  await store.stop();
});

const iris = (): object =>
  manifest("iris", {
    maxReplicas: 2,
    model: { modelFormat: { name: "onnx" }, storageUri: "s3://models/iris", storage: store.storage },
  });

interface List {
  readonly items: readonly { readonly kind: string; readonly metadata: { readonly name: string } }[];
}

test("models go on being served without the operator, which takes up where it left", async () => {
  await applyAndWait(NAMESPACE, iris());
  await uninstallLockstep();
  expect(await read(NAMESPACE, "isvc", "iris")).toBeDefined();
  const pods = await read<List>(NAMESPACE, "pods", "--field-selector=status.phase=Running");
  expect(pods?.items).toHaveLength(1);
  await installLockstep();
  await kubectl(["annotate", "isvc", "iris", "-n", NAMESPACE, "example.test/look=again"]);
  await waitReady(NAMESPACE, "iris");
  expect((await read<List>(NAMESPACE, "pods"))?.items.map(({ metadata }) => metadata.name)).toEqual(
    pods?.items.map(({ metadata }) => metadata.name),
  );
});

test("an InferenceService that is deleted leaves nothing behind", async () => {
  await kubectl(["delete", "isvc", "iris", "-n", NAMESPACE]);
  const kinds = "deployments,replicasets,pods,services,configmaps,hpa,pdb,endpointslices";
  const isClean = await eventually(
    "an empty namespace",
    async () => {
      const left =
        (await read<List>(NAMESPACE, kinds))?.items.filter(({ metadata }) => metadata.name !== "kube-root-ca.crt") ??
        [];
      if (left.length === 0) return true;
      throw new Error(left.map(({ kind, metadata }) => `${kind}/${metadata.name}`).join(", "));
    },
    { withinMs: 120_000 },
  );
  expect(isClean).toBe(true);
});
