import { createHash } from "node:crypto";
import { canonicalJson } from "../../common/canonical-json.ts";
import { FIELD_MANAGER, type FieldPath } from "./cluster.ts";
import type { KubeObject, ManagedFields, ObjectMeta } from "./object.ts";

/** A digest of a JSON value that does not depend on the order of keys. */
export function digestOf(value: unknown): string {
  return createHash("sha256").update(canonicalJson(value)).digest("base64url").slice(0, 22);
}

/** The entry of our own applies among an object's managed fields. */
function ownEntry(metadata: ObjectMeta): ManagedFields | undefined {
  return metadata.managedFields?.find(
    (entry) => entry.manager === FIELD_MANAGER && entry.operation === "Apply" && (entry.subresource ?? "") === "",
  );
}

/**
 * The digest of which fields our applies own, of an object from the cache or fresh from the API server. As soon as
 * somebody else changes or removes one of them, the API server takes it out of our entry, and the digest changes.
 */
export function appliedDigestOf(metadata: ObjectMeta): string | undefined {
  if (metadata.appliedDigest !== undefined) return metadata.appliedDigest;
  const entry = ownEntry(metadata);
  return entry === undefined ? undefined : digestOf([entry.apiVersion, entry.fieldsV1]);
}

/** Whether our applies own a field. Only for objects fresh from the API server: the cache no longer knows. */
export function appliedOwns(metadata: ObjectMeta, field: FieldPath): boolean {
  const fields = ownEntry(metadata)?.fieldsV1;
  return (
    fields !== undefined &&
    valueAt(
      fields,
      field.map((name) => `f:${name}`),
    ) !== undefined
  );
}

/** The value at a path, or undefined. */
export function valueAt(object: unknown, path: readonly string[]): unknown {
  let value = object;
  for (const name of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

/** An annotation of kubectl that repeats the whole object. */
const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** What informers keep of an object: all but what is large and not needed. Managed fields become their digest. */
export function forCache<T extends KubeObject>(object: T): T {
  const { managedFields: _dropped, ...metadata } = object.metadata;
  const appliedDigest = appliedDigestOf(object.metadata);
  const annotations =
    metadata.annotations?.[LAST_APPLIED] === undefined
      ? metadata.annotations
      : Object.fromEntries(Object.entries(metadata.annotations).filter(([name]) => name !== LAST_APPLIED));
  return {
    ...object,
    metadata: {
      ...metadata,
      ...(annotations === undefined ? {} : { annotations }),
      ...(appliedDigest === undefined ? {} : { appliedDigest }),
    },
  };
}
