import { beforeAll, describe, expect, inject, test } from "vitest";
import { accessOf, createNamespace, send } from "./cluster-access.ts";

const access = accessOf(inject("kubeconfig"));
const namespace = "crd-subresources";
const COLLECTION = `/apis/serving.lockstep.dev/v1alpha1/namespaces/${namespace}/inferenceservices`;

function manifest(name: string) {
  return {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: { name },
    spec: { predictor: { onnx: { storageUri: "s3://models/digits" } } },
  };
}

interface Scale {
  readonly metadata: unknown;
  readonly spec: { readonly replicas: number };
  readonly status: { readonly replicas: number; readonly selector?: string };
}

interface Table {
  readonly columnDefinitions: readonly { readonly name: string; readonly priority: number }[];
  readonly rows: readonly [{ readonly cells: readonly unknown[] }];
}

beforeAll(async () => {
  await createNamespace(access, namespace);
});

async function create(name: string): Promise<void> {
  expect((await send(access, "POST", COLLECTION, manifest(name))).status).toBe(201);
}

async function getScale(name: string): Promise<Scale> {
  return (await send(access, "GET", `${COLLECTION}/${name}/scale`)).body as Scale;
}

describe("the scale subresource", () => {
  test("shows minReplicas, also when the manifest does not name it", async () => {
    await create("scaled");
    expect((await getScale("scaled")).spec.replicas).toBe(1);
  });

  test("writes minReplicas, as `kubectl scale` does, and nothing else", async () => {
    await create("scale-up");
    const scale = await getScale("scale-up");
    const put = await send(access, "PUT", `${COLLECTION}/scale-up/scale`, { ...scale, spec: { replicas: 4 } });
    expect(put.status).toBe(200);
    const { spec } = (await send(access, "GET", `${COLLECTION}/scale-up`)).body as { spec: object };
    expect(spec).toEqual({
      stop: false,
      predictor: {
        onnx: { storageUri: "s3://models/digits" },
        minReplicas: 4,
        timeout: 60,
      },
    });
  });

  test("shows what the status says", async () => {
    await create("observed");
    await send(access, "PATCH", `${COLLECTION}/observed/status`, { status: { replicas: 3, selector: "a=b" } });
    expect((await getScale("observed")).status).toEqual({ replicas: 3, selector: "a=b" });
  });
});

test("the status subresource leaves spec and generation alone", async () => {
  await create("status-only");
  const answer = await send(access, "PATCH", `${COLLECTION}/status-only/status`, {
    spec: { predictor: { minReplicas: 9 } },
    status: { observedGeneration: 1, url: "http://status-only.crd-subresources.svc.cluster.local" },
  });
  expect(answer.body).toMatchObject({
    metadata: { generation: 1 },
    spec: { predictor: { minReplicas: 1 } },
    status: { url: "http://status-only.crd-subresources.svc.cluster.local" },
  });
});

test("`kubectl get` shows the columns that matter, and the message with -o wide", async () => {
  await create("listed");
  const ready = {
    type: "Ready",
    status: "False",
    reason: "StorageNotFound",
    message: "s3://models has no folder digits",
    lastTransitionTime: "2026-01-01T00:00:00Z",
  };
  await send(access, "PATCH", `${COLLECTION}/listed/status`, {
    status: {
      url: "http://listed",
      activeVersion: 7,
      targetVersion: 8,
      replicasSummary: "0/2",
      drift: { state: "Steady" },
      conditions: [ready],
    },
  });
  const table = await send(access, "GET", `${COLLECTION}/listed`, undefined, {
    accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
  });
  const { columnDefinitions, rows } = table.body as Table;
  expect(columnDefinitions.map(({ name, priority }) => `${name} ${priority}`)).toEqual([
    "Name 0",
    "URL 0",
    "READY 0",
    "VERSION 0",
    "REPLICAS 0",
    "REASON 0",
    "AGE 0",
    "TARGET 1",
    "DRIFT 1",
    "MESSAGE 1",
  ]);
  expect(rows[0].cells.toSpliced(6, 1)).toEqual([
    "listed",
    "http://listed",
    "False",
    7,
    "0/2",
    "StorageNotFound",
    8,
    "Steady",
    "s3://models has no folder digits",
  ]);
});

test("short names and the category find it", async () => {
  const { resources } = (await send(access, "GET", "/apis/serving.lockstep.dev/v1alpha1")).body as {
    resources: readonly { name: string; shortNames?: string[]; categories?: string[] }[];
  };
  expect(resources.map((resource) => resource.name).toSorted()).toEqual([
    "inferenceservices",
    "inferenceservices/scale",
    "inferenceservices/status",
  ]);
  expect(resources.find((resource) => resource.name === "inferenceservices")).toMatchObject({
    shortNames: ["isvc", "lisvc"],
    categories: ["ml"],
  });
});
