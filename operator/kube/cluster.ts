import type { KubeObject, ObjectReference } from "./object.ts";

/**
 * The only door to the API server: what a reconciler may do to a cluster. Reads that happen often come from informers,
 * not from here. All calls throw {@link ApiError} when the server refuses or stays unreachable after bounded retries, and
 * the signal's reason when it is aborted.
 */
export interface Cluster {
  /** The object as the API server has it now, or undefined where there is none. */
  get<T extends KubeObject>(reference: ObjectReference, signal?: AbortSignal): Promise<T | undefined>;

  /** All objects of a kind, read page by page. Prefer an informer. */
  list<T extends KubeObject>(
    query: {
      readonly apiVersion: string;
      readonly kind: string;
      /** One namespace; all where it is left out. */
      readonly namespace?: string;
      readonly labelSelector?: string;
    },
    signal?: AbortSignal,
  ): Promise<T[]>;

  /**
   * Makes the fields of `desired` true by server-side apply as field manager {@link FIELD_MANAGER}, with force. Fields
   * that an earlier apply set and `desired` no longer has are removed. Sends nothing when the cached `live` object proves
   * that nothing would change, and never touches an object of that name which belongs to someone else.
   */
  apply<T extends KubeObject>(desired: KubeObject, options: ApplyOptions): Promise<ApplyResult<T>>;

  /**
   * Gives fields to others before `apply` stops naming them: a second field manager co-owns them, so that they keep their
   * value. A field that only its former owner set falls back to its default, which for a Deployment's `spec.replicas` is 1.
   * {@link ApplyOptions.handOver} does this when it is needed; call this where values must be chosen.
   *
   * @param live the object; its uid (and resourceVersion, if it has one) must still be the server's, or ApiError 409 is thrown
   * @param fields for example `{ spec: { replicas: 3 } }`
   */
  handOverField(live: KubeObject, fields: Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<void>;

  /**
   * Replaces the whole status of `live`, so that fields which `status` no longer has vanish, whoever set them. Sends
   * nothing where `live` already has this status. `live` must come with uid and resourceVersion: if it is not what the
   * server has, nothing is written and the result is `conflict`: come back when the cache has caught up.
   */
  applyStatus(
    live: KubeObject & { readonly status?: unknown },
    status: object,
    signal?: AbortSignal,
  ): Promise<StatusResult>;

  /**
   * Sets how many replicas a Deployment is to have, by its scale, if it still has the resource version that `live` names.
   * `conflict`: it has another one, or is gone.
   */
  scale(live: KubeObject, replicas: number, signal?: AbortSignal): Promise<{ readonly kind: "scaled" | "conflict" }>;

  /** Makes an object, unless there is one of that name. */
  create(
    object: KubeObject,
    signal?: AbortSignal,
  ): Promise<{ readonly kind: "created"; readonly object: KubeObject } | { readonly kind: "exists" }>;

  /**
   * Replaces an object if it still has the resource version that `object` names: a compare-and-swap. `conflict`: it has
   * another one, or is gone. What it throws (but refusals) leaves open whether it was replaced, or will be.
   */
  replace(
    object: KubeObject,
    signal?: AbortSignal,
  ): Promise<{ readonly kind: "replaced"; readonly object: KubeObject } | { readonly kind: "conflict" }>;

  /** Deletes this very object, and by garbage collection in the background what it owns. */
  delete(
    reference: ObjectReference,
    precondition: {
      readonly uid: string;
      /** Also refuses where the object has changed since it was read. */
      readonly resourceVersion?: string;
    },
    signal?: AbortSignal,
  ): Promise<DeleteResult>;

  /** Records an event. `exists` means that one of this name was recorded before, which is success. */
  createEvent(event: ClusterEvent, signal?: AbortSignal): Promise<{ readonly kind: "created" | "exists" }>;
}

/** Owns, by server-side apply, what `apply` writes. */
export const FIELD_MANAGER = "lockstep";

/** Owns fields that were handed over and that nobody else has written since. */
export const HAND_OVER_FIELD_MANAGER = "lockstep-handover";

/** Owns the number of replicas of what sleeps and wakes. */
export const SCALE_FIELD_MANAGER = "lockstep-scale";

/** Where in an object a field is, for example `["spec", "replicas"]`. */
export type FieldPath = readonly string[];

export interface ApplyOptions {
  /** The object as the informer's cache has it; undefined where the cache has none. */
  readonly live: KubeObject | undefined;
  /**
   * Fields that others may own instead of us. One that an earlier apply set and `desired` leaves out keeps its value
   * instead of falling back to its default.
   */
  readonly handOver?: readonly FieldPath[];
  readonly signal?: AbortSignal;
}

/**
 * What an apply did.
 * `unchanged`: the server had it all; `object` is the cached one where no request was needed.
 * `notOwned`: an object of that name exists that `desired`'s controlling owner does not control; it was left alone. One
 * that nobody controls and that carries all of `desired`'s labels was orphaned (`kubectl delete --cascade=orphan`): it is
 * taken over.
 */
export interface ApplyResult<T extends KubeObject> {
  readonly kind: "unchanged" | "created" | "updated" | "notOwned";
  readonly object: T;
}

/** What a status write did. `gone`: the object no longer exists. */
export type StatusResult =
  { readonly kind: "unchanged" | "gone" | "conflict" } | { readonly kind: "updated"; readonly resourceVersion: string };

/** What a delete did. `conflict`: another object has that name now, or it changed: look again. */
export interface DeleteResult {
  readonly kind: "deleted" | "gone" | "conflict";
}

/** An event to record about an object; becomes an events.k8s.io/v1 Event beside it. */
export interface ClusterEvent {
  /** The same transition must get the same name each time, so that it is recorded once. A DNS subdomain. */
  readonly name: string;
  /** What it is about; its namespace is the event's. */
  readonly regarding: KubeObject;
  readonly type: "Normal" | "Warning";
  /** CamelCase, from the closed list of reasons. */
  readonly reason: string;
  /** CamelCase: what the operator was doing, for example `Reconcile`. */
  readonly action: string;
  /** For people. Cut to 1 KiB, which is all the API server takes. */
  readonly note: string;
}

/** The API server's refusal, or that it could not be reached. Its message never holds credentials or request bodies. */
export class ApiError extends Error {
  override name = "ApiError";
  /** HTTP status; 0 where no answer came. */
  readonly status: number;
  /** The server's machine-readable reason, such as `Conflict`, or `Unreachable`, `Timeout`, `InvalidAnswer`. */
  readonly reason: string;
  /** How long the server asks to wait before the next try. */
  readonly retryAfterMs: number | undefined;
  /** What exactly was wrong, in the server's machine-readable words, such as `NamespaceTerminating`. */
  readonly causes: readonly string[];

  constructor(failure: {
    readonly status: number;
    readonly reason: string;
    readonly message: string;
    readonly retryAfterMs?: number | undefined;
    readonly causes?: readonly string[];
    readonly cause?: unknown;
  }) {
    super(failure.message, failure.cause === undefined ? undefined : { cause: failure.cause });
    this.status = failure.status;
    this.reason = failure.reason;
    this.retryAfterMs = failure.retryAfterMs;
    this.causes = failure.causes ?? [];
  }
}
