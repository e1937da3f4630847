import { MANAGED_BY } from "../api/labels.ts";
import { canonicalJson } from "../../common/canonical-json.ts";
import { definedOnly } from "../../common/defined-only.ts";
import { AppliedMemory } from "./applied-memory.ts";
import type { KubeClient } from "./client.ts";
import {
  ApiError,
  FIELD_MANAGER,
  HAND_OVER_FIELD_MANAGER,
  SCALE_FIELD_MANAGER,
  type ApplyOptions,
  type ApplyResult,
  type Cluster,
  type FieldPath,
} from "./cluster.ts";
import { appliedOwns, digestOf, forCache, valueAt } from "./digest.ts";
import { eventObject } from "./event-object.ts";
import { listPageOf } from "./list-watch.ts";
import { controllerOf, referenceTo, type KubeObject, type ObjectReference } from "./object.ts";
import { pathOf, RESOURCES, resourceOf } from "./resources.ts";

export interface ApiClusterOptions {
  readonly client: KubeClient;
  /** Who reports events, for example the operator's pod. At most 128 characters. */
  readonly identity: string;
  readonly now?: () => Date;
  /** Called before each write; throws to refuse it, for example when this process no longer leads. */
  readonly guard?: () => void;
}

const APPLY = "application/apply-patch+yaml";
const MERGE_PATCH = "application/merge-patch+json";
const PAGE_SIZE = 500;
const MAX_HAND_OVER_TRIES = 5;

/** The cluster behind an API server. */
export function createApiCluster(options: ApiClusterOptions): Cluster {
  const { client, identity, now = () => new Date(), guard = () => {} } = options;
  const memory = new AppliedMemory();

  const get: Cluster["get"] = async <T extends KubeObject>(reference: ObjectReference, signal?: AbortSignal) => {
    try {
      return (await client.send({ method: "GET", path: objectPath(reference), signal })).body as T;
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  };

  const sendApply = async (
    object: KubeObject,
    manager: string,
    signal: AbortSignal | undefined,
  ): Promise<{ object: KubeObject; created: boolean }> => {
    guard();
    const answer = await client.send({
      method: "PATCH",
      path: objectPath(referenceTo(object)),
      query: { fieldManager: manager, force: "true" },
      contentType: APPLY,
      body: object,
      signal,
    });
    return { object: answer.body as KubeObject, created: answer.status === 201 };
  };

  const handOverField: Cluster["handOverField"] = async (live, fields, signal) => {
    const { apiVersion, kind } = live;
    const { name, namespace, uid, resourceVersion } = live.metadata;
    const metadata = { name, ...definedOnly({ namespace, uid, resourceVersion }) };
    await sendApply({ apiVersion, kind, metadata, ...fields }, HAND_OVER_FIELD_MANAGER, signal);
  };

  /**
   * The object as it is now, after what our last apply owns and this one leaves out was handed over. Nothing is handed
   * over where somebody else has the name.
   */
  const freshWithHandOver = async (desired: KubeObject, paths: readonly FieldPath[], signal?: AbortSignal) => {
    for (let tries = 1; ; tries += 1) {
      const live = await get(referenceTo(desired), signal);
      if (live === undefined || !mayApply(desired, live)) return live;
      const dropped = paths.filter(
        (path) =>
          valueAt(desired, path) === undefined && appliedOwns(live.metadata, path) && valueAt(live, path) !== undefined,
      );
      if (dropped.length === 0) return live;
      try {
        await handOverField(live, objectWith(dropped.map((path) => [path, valueAt(live, path)])), signal);
        return live;
      } catch (error) {
        // Controllers write the status of such objects all the time.
        if (!isStatus(error, 409) || tries === MAX_HAND_OVER_TRIES) throw error;
      }
    }
  };

  const apply: Cluster["apply"] = async <T extends KubeObject>(
    desired: KubeObject,
    { live: cached, handOver: paths = [], signal }: ApplyOptions,
  ): Promise<ApplyResult<T>> => {
    const desiredDigest = digestOf(desired);
    let live = cached;
    if (live !== undefined) {
      if (!mayApply(desired, live)) return { kind: "notOwned", object: live as T };
      if (memory.proves(live, desiredDigest)) return { kind: "unchanged", object: live as T };
    }
    // Caches may be filtered or late: before anything is made, look whether the name is free; before fields are handed
    // over, look who owns them.
    if (live === undefined || paths.some((path) => valueAt(desired, path) === undefined)) {
      live = await freshWithHandOver(desired, paths, signal);
      if (live !== undefined && !mayApply(desired, live)) return { kind: "notOwned", object: live as T };
    }

    const known = live?.metadata.uid;
    // With the uid the API server refuses (409) to make anew what was deleted meanwhile.
    const body = known === undefined ? desired : { ...desired, metadata: { ...desired.metadata, uid: known } };
    const { object, created } = await sendApply(body, FIELD_MANAGER, signal);
    const isSame =
      object.metadata.resourceVersion === memory.resourceVersionOf(object.metadata.uid) ||
      (live !== undefined && contentOf(object) === contentOf(live));
    memory.remember(object, desiredDigest);
    return { kind: created ? "created" : isSame ? "unchanged" : "updated", object: object as T };
  };

  const applyStatus: Cluster["applyStatus"] = async (live, status, signal) => {
    if (canonicalJson(live.status ?? {}) === canonicalJson(status)) return { kind: "unchanged" };
    const { apiVersion, kind } = live;
    const { name, namespace, uid, resourceVersion } = live.metadata;
    if (uid === undefined || resourceVersion === undefined) {
      throw new TypeError(`expected ${kind} ${name} with uid and resourceVersion`);
    }
    guard();
    try {
      const { body } = await client.send({
        method: "PUT",
        path: objectPath(referenceTo(live), "status"),
        query: { fieldManager: FIELD_MANAGER },
        // The API server takes the status only; everything else stays as it is there.
        body: { apiVersion, kind, metadata: { name, ...definedOnly({ namespace, uid, resourceVersion }) }, status },
        signal,
      });
      return { kind: "updated", resourceVersion: (body as KubeObject).metadata.resourceVersion ?? "" };
    } catch (error) {
      if (isStatus(error, 409)) return { kind: "conflict" };
      if (isStatus(error, 404)) return { kind: "gone" };
      throw error;
    }
  };

  const scale: Cluster["scale"] = async (live, replicas, signal) => {
    const { uid, resourceVersion } = live.metadata;
    if (resourceVersion === undefined)
      throw new TypeError(`expected ${live.kind} ${live.metadata.name} with resourceVersion`);
    guard();
    try {
      await client.send({
        method: "PATCH",
        path: objectPath(referenceTo(live), "scale"),
        query: { fieldManager: SCALE_FIELD_MANAGER },
        contentType: MERGE_PATCH,
        body: { metadata: definedOnly({ uid, resourceVersion }), spec: { replicas } },
        signal,
      });
      return { kind: "scaled" };
    } catch (error) {
      if (isStatus(error, 409) || isStatus(error, 404)) return { kind: "conflict" };
      throw error;
    }
  };

  const create: Cluster["create"] = async (object, signal) => {
    guard();
    const { namespace } = object.metadata;
    try {
      const path = pathOf(resourceOf(object), { namespace });
      const { body } = await client.send({
        method: "POST",
        path,
        query: { fieldManager: FIELD_MANAGER },
        body: object,
        signal,
      });
      return { kind: "created" as const, object: body as KubeObject };
    } catch (error) {
      if (isStatus(error, 409) && error.reason === "AlreadyExists") return { kind: "exists" as const };
      throw error;
    }
  };

  const replace: Cluster["replace"] = async (object, signal) => {
    if (object.metadata.resourceVersion === undefined)
      throw new TypeError(`expected ${object.kind} ${object.metadata.name} with resourceVersion`);
    guard();
    try {
      const { body } = await client.send({
        method: "PUT",
        path: objectPath(referenceTo(object)),
        query: { fieldManager: FIELD_MANAGER },
        body: object,
        signal,
      });
      return { kind: "replaced" as const, object: body as KubeObject };
    } catch (error) {
      if (isStatus(error, 409) || isStatus(error, 404)) return { kind: "conflict" as const };
      throw error;
    }
  };

  const deleteObject: Cluster["delete"] = async (reference, { uid, resourceVersion }, signal) => {
    guard();
    try {
      await client.send({
        method: "DELETE",
        path: objectPath(reference),
        body: {
          apiVersion: "v1",
          kind: "DeleteOptions",
          propagationPolicy: "Background",
          preconditions: definedOnly({ uid, resourceVersion }),
        },
        signal,
      });
    } catch (error) {
      if (isStatus(error, 409)) return { kind: "conflict" };
      if (!isStatus(error, 404)) throw error;
      memory.forget(uid);
      return { kind: "gone" };
    }
    memory.forget(uid);
    return { kind: "deleted" };
  };

  const createEvent: Cluster["createEvent"] = async (event, signal) => {
    guard();
    const namespace = event.regarding.metadata.namespace ?? "default";
    try {
      await client.send({
        method: "POST",
        path: pathOf(RESOURCES.events, { namespace }),
        body: eventObject(event, { namespace, identity, now: now() }),
        signal,
      });
      return { kind: "created" };
    } catch (error) {
      if (isStatus(error, 409) && error.reason === "AlreadyExists") return { kind: "exists" };
      throw error;
    }
  };

  const list: Cluster["list"] = async <T extends KubeObject>(
    { apiVersion, kind, namespace, labelSelector }: Parameters<Cluster["list"]>[0],
    signal?: AbortSignal,
  ) => {
    const resource = resourceOf({ apiVersion, kind });
    const objects: T[] = [];
    let token: string | undefined;
    do {
      const query = { labelSelector, limit: String(PAGE_SIZE), continue: token };
      const { body } = await client.send({ method: "GET", path: pathOf(resource, { namespace }), query, signal });
      const page = listPageOf<T>(body, resource);
      objects.push(...page.items);
      token = page.continue;
    } while (token !== undefined);
    return objects;
  };

  return { get, list, apply, handOverField, applyStatus, scale, create, replace, delete: deleteObject, createEvent };
}

function objectPath(reference: ObjectReference, subresource?: string): string {
  return pathOf(resourceOf(reference), {
    namespace: reference.namespace,
    name: reference.name,
    ...(subresource === undefined ? {} : { subresource }),
  });
}

/** Whether `live` belongs to whom `desired` is to belong to, or was orphaned. Where `desired` has no owner, nobody may own it. */
function mayApply(desired: KubeObject, live: KubeObject): boolean {
  const owner = controllerOf(live);
  return (
    owner?.uid === controllerOf(desired)?.uid ||
    (owner === undefined && controllerOf(desired) !== undefined && hasLabelsOf(desired, live))
  );
}

/** Labels are what tells an orphan of ours, so that of the operator must be among them. */
function hasLabelsOf(desired: KubeObject, live: KubeObject): boolean {
  const { labels = {} } = desired.metadata;
  return (
    labels[MANAGED_BY.key] === MANAGED_BY.value &&
    Object.entries(labels).every(([key, value]) => live.metadata.labels?.[key] === value)
  );
}

/** What of an object an apply can change: neither its status nor what the API server counts. */
function contentOf(object: KubeObject): string {
  const { metadata, status: _status, ...rest } = forCache(object) as KubeObject & { status?: unknown };
  const { resourceVersion: _version, appliedDigest: _digest, ...kept } = metadata;
  return canonicalJson({ ...rest, metadata: kept });
}

function isStatus(error: unknown, status: number): error is ApiError {
  return error instanceof ApiError && error.status === status;
}

/** An object that has these values at these paths, and nothing else. */
function objectWith(values: readonly (readonly [FieldPath, unknown])[]): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [path, value] of values) {
    let parent = root;
    for (const name of path.slice(0, -1)) parent = (parent[name] ??= {}) as Record<string, unknown>;
    parent[path.at(-1) ?? ""] = value;
  }
  return root;
}
