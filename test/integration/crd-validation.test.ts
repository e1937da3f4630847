import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { loadAll } from "js-yaml";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { parseCustomResourceDefinition, walkSchema } from "../../build/generate/crd.ts";
import { accessOf, createNamespace, send, type Answer } from "./cluster-access.ts";
import { INVALID, predictor, UNKNOWN, VALID } from "./crd-manifests.ts";

const access = accessOf(inject("kubeconfig"));
const namespace = "crd-validation";
const COLLECTION = `/apis/serving.lockstep.dev/v1alpha1/namespaces/${namespace}/inferenceservices`;
type Json = Readonly<Record<string, unknown>>;
const ROOT = path.join(import.meta.dirname, "../..");

beforeAll(async () => {
  await createNamespace(access, namespace);
});

function manifest(spec: unknown, name = "example") {
  return { apiVersion: "serving.lockstep.dev/v1alpha1", kind: "InferenceService", metadata: { name }, spec };
}

/** What `kubectl apply --dry-run=server` does; strict validation is its default. */
async function tryCreate(object: unknown): Promise<Answer> {
  return send(access, "POST", `${COLLECTION}?dryRun=All&fieldValidation=Strict`, object);
}

test.each(VALID)("takes %s", async (_words, spec) => {
  const answer = await tryCreate(manifest(spec));
  expect(answer.causes).toEqual([]);
  expect(answer.status).toBe(201);
});

test.each(INVALID)("refuses %s", async (_words, spec, { field, says }) => {
  const { status, causes } = await tryCreate(manifest(spec));
  expect(status).toBe(422);
  expect(causes).toContainEqual({
    reason: expect.any(String),
    field: `spec.${field}`,
    message: expect.stringContaining(says),
  });
});

test.each(UNKNOWN)("refuses %s", async (_words, spec, field) => {
  const { status, causes } = await tryCreate(manifest(spec));
  expect(status).toBe(400);
  expect(causes[0]?.message).toContain(`unknown field "${field}"`);
});

describe("metadata.name", () => {
  const says = "metadata.name becomes the name of a Service";

  test.each(["a", "digits", `a${"-".repeat(48)}b`])("may be %s", async (name) => {
    expect((await tryCreate(manifest({ predictor: predictor() }, name))).status).toBe(201);
  });

  test.each(["1digits", "a.b", "a".repeat(51)])("may not be %s", async (name) => {
    const { status, causes } = await tryCreate(manifest({ predictor: predictor() }, name));
    expect(status).toBe(422);
    expect(causes[0]?.message).toContain(says);
  });
});

describe("model.name", () => {
  const says = "model.name is part of the URL that clients use";

  async function rename(name: string, before: Json, after: Json): Promise<Answer> {
    const created = await send(access, "POST", COLLECTION, manifest({ predictor: predictor(before) }, name));
    const { metadata } = created.body as { metadata: object };
    const changed = { ...manifest({ predictor: predictor(after) }, name), metadata };
    return send(access, "PUT", `${COLLECTION}/${name}?dryRun=All`, changed);
  }

  test.each([
    ["changed", { name: "a" }, { name: "b" }],
    ["added", {}, { name: "b" }],
    ["taken away", { name: "a" }, {}],
  ])("may not be %s", async (words, before, after) => {
    const { status, causes } = await rename(`renamed-${words.replace(" ", "-")}`, before, after);
    expect(status).toBe(422);
    expect(causes).toMatchObject([{ field: "spec.predictor.model.name", message: expect.stringContaining(says) }]);
  });

  test("may stay while the model moves", async () => {
    const answer = await rename("moved", { name: "a" }, { name: "a", storageUri: "s3://elsewhere/digits" });
    expect(answer.status).toBe(200);
  });
});

test("fills in the documented defaults", async () => {
  const spec = {
    predictor: predictor(
      {
        versionPolicy: { latest: {} },
        warmup: {},
        sequences: {},
        storage: { caBundle: { configMapRef: { name: "ca" } } },
      },
      { service: {}, batcher: {}, concurrency: {}, env: [{ name: "EMPTY" }] },
    ),
  };
  expect((await tryCreate(manifest(spec))).body).toMatchObject({
    spec: {
      stop: false,
      predictor: {
        model: {
          versionPolicy: { latest: { count: 1 } },
          warmup: { iterations: 1 },
          sequences: { idleTimeoutSeconds: 60, maxCount: 4096 },
          storage: { caBundle: { configMapRef: { name: "ca", key: "ca.crt" } } },
        },
        batcher: { maxBatchSize: 64, maxLatency: 0, maxQueue: 512 },
        concurrency: { instances: 1, placement: "Auto" },
        minReplicas: 1,
        timeout: 60,
        service: { type: "ClusterIP" },
        env: [{ name: "EMPTY", value: "" }],
      },
    },
  });
});

test("every rule is refused by some manifest above, with its message", () => {
  const { schema } = parseCustomResourceDefinition(
    readFileSync(path.join(ROOT, "crds/inferenceservices.yaml"), "utf8"),
  );
  const messages = new Set(
    [...walkSchema(schema)].flatMap((node) =>
      (node.schema["x-kubernetes-validations"] ?? []).map((rule) => rule.message),
    ),
  );
  const expected = [
    ...INVALID.map(([, , { says }]) => says),
    "metadata.name becomes the name of a Service",
    "model.name is part of the URL that clients use",
  ];
  const untried = [...messages].filter((message) => !expected.some((says) => message.includes(says)));
  expect(untried).toEqual([]);
});

const examples = readdirSync(path.join(ROOT, "examples")).filter((file) => file.endsWith(".yaml"));
const services = examples.flatMap((file) =>
  loadAll(readFileSync(path.join(ROOT, "examples", file), "utf8")).flatMap((object) =>
    (object as { kind: string }).kind === "InferenceService" ? [[file, object] as const] : [],
  ),
);

test("there are examples", () => {
  expect(services.length).toBeGreaterThan(3);
});

test.each(services)("takes examples/%s", async (_file, object) => {
  expect((await tryCreate(object)).causes).toEqual([]);
});
