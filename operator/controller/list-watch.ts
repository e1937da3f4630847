/** The least that a cache needs to know of an object. */
export interface StoredObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
  };
}

/** What happened to one object, or, as a bookmark, that everything up to a resource version has been told. */
export type WatchEvent<T> =
  | { readonly kind: "added" | "modified" | "deleted"; readonly object: T }
  | { readonly kind: "bookmark"; readonly resourceVersion: string };

/** A page of a list. */
export interface ListPage<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  /** Where the next page starts; undefined on the last one. */
  readonly continue: string | undefined;
}

/**
 * Reads one collection of objects and hears what changes in it. What it throws may carry `status` (the HTTP status of a
 * refusal; 410 means that the resource version or continue token has expired) and `retryAfterMs`.
 */
export interface ListWatch<T> {
  /** What is listed, for logs, for example `deployments` or `pods in blue`. */
  readonly description: string;
  list(options: { readonly limit?: number; readonly continue?: string }, signal: AbortSignal): Promise<ListPage<T>>;
  /** Events after a resource version. Ends when the server ends it, which it is asked to do after `timeoutSeconds`. */
  watch(
    options: { readonly resourceVersion: string; readonly timeoutSeconds: number },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>;
}

/** The key of an object: `namespace/name`, or `name` where there are no namespaces. */
export function keyOf(object: StoredObject): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Takes a key apart. */
export function splitKey(key: string): { readonly namespace: string | undefined; readonly name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The HTTP status that an error carries, or undefined. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("status" in error)) return undefined;
  return typeof error.status === "number" && error.status > 0 ? error.status : undefined;
}
