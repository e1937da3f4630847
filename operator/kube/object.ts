import type { ObjectMeta as ApiObjectMeta, OwnerReference } from "../../common/inferenceservice.gen.ts";

/** What all Kubernetes objects have. Concrete kinds extend it with their spec, data or status. */
export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** The part of metadata that this operator reads or writes. Times are RFC 3339 texts, as the API server sends them. */
export interface ObjectMeta extends ApiObjectMeta {
  /** As the API server sends it; absent in objects from an informer's cache (see `appliedDigest`). */
  readonly managedFields?: readonly ManagedFields[];
  /**
   * Only in objects from an informer's cache: the digest of the fields that Lockstep's own field manager owns. It stands
   * in for `managedFields`, which is often larger than the rest of the object. Never sent to the API server.
   */
  readonly appliedDigest?: string;
}

/** One field manager's share of an object. */
export interface ManagedFields {
  readonly manager?: string;
  readonly operation?: string;
  readonly subresource?: string;
  readonly apiVersion?: string;
  readonly time?: string;
  readonly fieldsType?: string;
  readonly fieldsV1?: Readonly<Record<string, unknown>>;
}

/** Names one object. */
export interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

/** The reference to an object. */
export function referenceTo(object: KubeObject): ObjectReference {
  const { apiVersion, kind, metadata } = object;
  return {
    apiVersion,
    kind,
    name: metadata.name,
    ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
  };
}

/** The owner that controls an object, if it has one. */
export function controllerOf(object: { readonly metadata: ObjectMeta }): OwnerReference | undefined {
  return object.metadata.ownerReferences?.find((owner) => owner.controller === true);
}
