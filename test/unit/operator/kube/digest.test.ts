import { describe, expect, test } from "vitest";
import { appliedDigestOf, appliedOwns, digestOf, forCache } from "../../../../operator/kube/digest.ts";
import type { KubeObject, ManagedFields } from "../../../../operator/kube/object.ts";

const OURS: ManagedFields = {
  manager: "lockstep",
  operation: "Apply",
  apiVersion: "apps/v1",
  time: "2026-11-22T10:00:00Z",
  fieldsType: "FieldsV1",
  fieldsV1: { "f:spec": { "f:replicas": {}, "f:template": { "f:spec": {} } } },
};

function deployment(...managedFields: ManagedFields[]): KubeObject & { readonly status: object } {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: "a",
      uid: "u",
      resourceVersion: "1",
      labels: { app: "a" },
      annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{...}", note: "kept" },
      managedFields,
    },
    status: { replicas: 1 },
  };
}

describe("digest of applied fields", () => {
  const digest = appliedDigestOf(deployment(OURS).metadata);

  test.each([
    ["others' fields", deployment({ ...OURS, manager: "kubectl" }, OURS)],
    ["the time of the apply", deployment({ ...OURS, time: "2027-01-01T00:00:00Z" })],
    ["our status writes", deployment(OURS, { ...OURS, subresource: "status", fieldsV1: {} })],
    ["our updates of old", deployment({ ...OURS, operation: "Update", fieldsV1: {} }, OURS)],
    ["being cached", forCache(deployment(OURS))],
    ["being cached twice", forCache(forCache(deployment(OURS)))],
  ])("does not depend on %s", (_what, object) => {
    expect(digest).toBeDefined();
    expect(appliedDigestOf(object.metadata)).toBe(digest);
  });

  test("changes with what we own", () => {
    const less = { ...OURS, fieldsV1: { "f:spec": { "f:template": { "f:spec": {} } } } };
    expect(appliedDigestOf(deployment(less).metadata)).not.toBe(digest);
    expect(appliedDigestOf(deployment().metadata)).toBeUndefined();
  });

  test("digests ignore the order of keys, not that of items", () => {
    expect(digestOf({ a: 1, b: { c: 2, d: 3 } })).toBe(digestOf({ b: { d: 3, c: 2 }, a: 1 }));
    expect(digestOf([1, 2])).not.toBe(digestOf([2, 1]));
  });
});

describe("an object for the cache", () => {
  test("keeps all but managed fields and kubectl's copy, and does not change the original", () => {
    const object = deployment(OURS);
    const before = structuredClone(object);
    const cached = forCache(object);
    expect(object).toEqual(before);
    expect(cached).toEqual({
      ...object,
      metadata: {
        name: "a",
        uid: "u",
        resourceVersion: "1",
        labels: { app: "a" },
        annotations: { note: "kept" },
        appliedDigest: appliedDigestOf(object.metadata),
      },
    });
    expect(Object.keys(cached.metadata)).not.toContain("managedFields");
  });

  test("has no digest where we never applied", () => {
    expect(forCache(deployment()).metadata).not.toHaveProperty("appliedDigest");
  });
});

test.each([
  [["spec", "replicas"], true],
  [["spec", "template"], true],
  [["spec", "paused"], false],
  [["status"], false],
])("who owns %j", (path, owned) => {
  expect(appliedOwns(deployment(OURS).metadata, path)).toBe(owned);
});
