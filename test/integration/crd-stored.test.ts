import { readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { beforeAll, describe, expect, inject, test, vi } from "vitest";
import { parseCustomResourceDefinition, walkSchema, type JsonSchema } from "../../build/generate/crd.ts";
import { accessOf, send } from "./cluster-access.ts";

const FILE = path.join(import.meta.dirname, "../../crds/inferenceservices.yaml");
const text = readFileSync(FILE, "utf8");
const NAME = "inferenceservices.serving.lockstep.dev";

interface Stored {
  readonly spec: {
    readonly names: unknown;
    readonly versions: readonly [{ readonly schema: { readonly openAPIV3Schema: JsonSchema } }];
  };
  readonly status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] };
}

const access = accessOf(inject("kubeconfig"));
let stored: Stored;
beforeAll(async () => {
  const answer = await send(access, "GET", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${NAME}`);
  stored = answer.body as Stored;
});

/** Rules and defaults, which some clients drop when they create a CRD. */
function counts(schema: JsonSchema) {
  const schemas = [...walkSchema(schema)].map((node) => node.schema);
  return {
    rules: schemas.reduce((sum, each) => sum + (each["x-kubernetes-validations"]?.length ?? 0), 0),
    defaults: schemas.filter((each) => each.default !== undefined).length,
  };
}

describe("the stored CustomResourceDefinition", () => {
  test("is what was written, rule by rule", () => {
    const written = load(text) as Stored;
    const { openAPIV3Schema } = stored.spec.versions[0].schema;
    expect(counts(openAPIV3Schema)).toEqual(counts(written.spec.versions[0].schema.openAPIV3Schema));
    expect(counts(openAPIV3Schema).rules).toBeGreaterThanOrEqual(15);
    expect(counts(openAPIV3Schema).defaults).toBeGreaterThanOrEqual(8);
    expect(stored.spec.versions).toEqual(written.spec.versions);
    expect(stored.spec.names).toEqual(written.spec.names);
  });

  test("has a structural schema and accepted names", () => {
    const states = Object.fromEntries(stored.status.conditions.map(({ type, status }) => [type, status]));
    expect(states).toMatchObject({ NamesAccepted: "True", Established: "True" });
    expect(states).not.toHaveProperty("NonStructuralSchema");
  });

  test("is small enough for a plain `kubectl apply`", () => {
    expect(Buffer.byteLength(text)).toBeLessThan(100_000);
    // kubectl keeps the whole object in an annotation, of at most 256 KiB.
    expect(Buffer.byteLength(JSON.stringify(load(text)))).toBeLessThan(100_000);
  });
});

test("every field has a description", () => {
  const { schema } = parseCustomResourceDefinition(text);
  const silent = [...walkSchema(schema)].filter(
    ({ path: field, schema: each }) => each.description === undefined && !/(^metadata|\[\]|\.\*)$/.test(field),
  );
  expect(silent.map((node) => node.path)).toEqual([]);
});

test("`kubectl explain` has a text for every field", async () => {
  // Published a while after the CRD is established.
  const answer = await vi.waitFor(
    async () => {
      const published = await send(access, "GET", "/openapi/v3/apis/serving.lockstep.dev/v1alpha1");
      if (published.status !== 200) throw new Error(`expected status 200, got ${published.status}`);
      return published;
    },
    { timeout: 30_000, interval: 200 },
  );
  const document = answer.body as { components: { schemas: Record<string, JsonSchema> } };
  const served = document.components.schemas["dev.lockstep.serving.v1alpha1.InferenceService"];
  if (served === undefined) throw new Error("the API server publishes no schema of InferenceService");
  const published = new Map([...walkSchema(served)].map((node) => [node.path, node.schema.description]));
  const described = [...walkSchema(parseCustomResourceDefinition(text).schema)].filter(
    ({ path: field, schema }) => schema.description !== undefined && !["apiVersion", "kind"].includes(field),
  );
  expect(described.length).toBeGreaterThan(80);
  expect(described.filter((node) => published.get(node.path) !== node.schema.description)).toEqual([]);
});
