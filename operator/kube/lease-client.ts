import type { LeaseClient, LeaseRecord, StoredLease } from "../controller/leader-election.ts";
import type { KubeAnswer, KubeClient } from "./client.ts";
import { ApiError } from "./cluster.ts";
import type { KubeObject } from "./object.ts";
import { pathOf, RESOURCES } from "./resources.ts";

/** The lease object `namespace/name` of an API server, as leader election wants it. */
export function createLeaseClient(
  client: KubeClient,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): LeaseClient {
  const { apiVersion, kind } = RESOURCES.leases;
  const collection = pathOf(RESOURCES.leases, { namespace });
  const path = pathOf(RESOURCES.leases, { namespace, name });
  let known: LeaseObject | undefined;
  const read = ({ body }: KubeAnswer): StoredLease => {
    known = body as LeaseObject;
    return leaseOf(known);
  };
  return {
    get: async (signal) => {
      try {
        return read(await client.send({ method: "GET", path, signal }));
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
    },
    create: async (record, signal) => {
      const body = { apiVersion, kind, metadata: { name, namespace }, spec: specOf(record) };
      return read(await client.send({ method: "POST", path: collection, body, signal }));
    },
    update: async (record, resourceVersion, signal) => {
      // Fields that other tools put into the object stay as they are; the resource version makes it conditional.
      const metadata = { ...known?.metadata, name, namespace, resourceVersion };
      const body = { apiVersion, kind, metadata, spec: { ...known?.spec, ...specOf(record) } };
      return read(await client.send({ method: "PUT", path, body, signal }));
    },
  };
}

interface LeaseObject extends KubeObject {
  readonly spec?: {
    readonly holderIdentity?: string;
    readonly leaseDurationSeconds?: number;
    readonly acquireTime?: string;
    readonly renewTime?: string;
    readonly leaseTransitions?: number;
  };
}

function leaseOf({ metadata, spec = {} }: LeaseObject): StoredLease {
  return {
    holder: spec.holderIdentity === "" ? undefined : spec.holderIdentity,
    leaseDurationMs: (spec.leaseDurationSeconds ?? 0) * 1000,
    acquireTime: spec.acquireTime === undefined ? undefined : new Date(spec.acquireTime),
    renewTime: spec.renewTime === undefined ? undefined : new Date(spec.renewTime),
    transitions: spec.leaseTransitions ?? 0,
    resourceVersion: metadata.resourceVersion ?? "",
  };
}

/** Nobody is null: an empty holder is not allowed. */
function specOf(record: LeaseRecord): object {
  return {
    holderIdentity: record.holder ?? null,
    leaseDurationSeconds: Math.max(1, Math.round(record.leaseDurationMs / 1000)),
    acquireTime: microTime(record.acquireTime),
    renewTime: microTime(record.renewTime),
    leaseTransitions: record.transitions,
  };
}

/** Microseconds are part of the format. */
function microTime(time: Date | undefined): string | null {
  return time === undefined ? null : time.toISOString().replace("Z", "000Z");
}
