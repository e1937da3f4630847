import type { ListPage, ListWatch, WatchEvent } from "../controller/list-watch.ts";
import type { KubeClient } from "./client.ts";
import { ApiError } from "./cluster.ts";
import type { KubeObject } from "./object.ts";
import { pathOf, type Resource } from "./resources.ts";

/** Lists and watches the objects of one kind. */
export function createListWatch<T extends KubeObject>(
  client: KubeClient,
  options: {
    readonly resource: Resource;
    /** One namespace; all where it is left out. */
    readonly namespace?: string;
    readonly labelSelector?: string;
  },
): ListWatch<T> {
  const { resource, namespace, labelSelector } = options;
  const path = pathOf(resource, { namespace });
  return {
    description: namespace === undefined ? resource.plural : `${resource.plural} in ${namespace}`,

    list: async ({ limit, continue: token }, signal) => {
      const query = { labelSelector, limit: limit?.toString(), continue: token };
      const { body } = await client.send({ method: "GET", path, query, signal }).catch((error: unknown) => {
        throw error instanceof ApiError && error.status === 404 ? notServed(resource) : error;
      });
      return listPageOf<T>(body, resource);
    },

    watch: async function* ({ resourceVersion, timeoutSeconds }, signal) {
      const query = {
        watch: "true",
        allowWatchBookmarks: "true",
        resourceVersion,
        timeoutSeconds: String(timeoutSeconds),
        labelSelector,
      };
      for await (const line of client.stream({ path, query }, signal)) yield watchEventOf<T>(line);
    },
  };
}

/** A collection that is empty is still there: what is not found is the kind itself. */
function notServed({ apiVersion, kind, plural }: Resource): ApiError {
  const remedy = apiVersion.includes(".")
    ? `install the CustomResourceDefinition ${plural}.${apiVersion.split("/")[0]}`
    : "this version of Kubernetes is not supported";
  return new ApiError({
    status: 404,
    reason: "NotFound",
    message: `the API server does not know ${kind} of ${apiVersion}: ${remedy}`,
  });
}

/** The page in a list's answer. Items of a list come without apiVersion and kind, which this adds. Throws ApiError. */
export function listPageOf<T extends KubeObject>(
  body: unknown,
  { apiVersion, kind }: Pick<Resource, "apiVersion" | "kind">,
): ListPage<T> {
  const { items, metadata } = (body ?? {}) as {
    items?: unknown;
    metadata?: { resourceVersion?: string; continue?: string };
  };
  if (
    typeof metadata?.resourceVersion !== "string" ||
    !(Array.isArray(items) || items === undefined || items === null)
  ) {
    throw new ApiError({
      status: 200,
      reason: "InvalidAnswer",
      message: `expected a list of ${kind}, got another answer`,
    });
  }
  return {
    items: ((items ?? []) as T[]).map((item) => ({ ...item, apiVersion, kind })),
    resourceVersion: metadata.resourceVersion,
    continue: metadata.continue === "" ? undefined : metadata.continue,
  };
}

/** The event in a line of a watch. Throws ApiError for the server's own ERROR events, and for what is no event. */
function watchEventOf<T extends KubeObject>(line: unknown): WatchEvent<T> {
  const { type, object } = (line ?? {}) as { type?: unknown; object?: unknown };
  switch (type) {
    case "ADDED":
      return { kind: "added", object: object as T };
    case "MODIFIED":
      return { kind: "modified", object: object as T };
    case "DELETED":
      return { kind: "deleted", object: object as T };
    case "BOOKMARK": {
      const resourceVersion = (object as Partial<KubeObject> | undefined)?.metadata?.resourceVersion;
      if (typeof resourceVersion === "string") return { kind: "bookmark", resourceVersion };
      break;
    }
    case "ERROR": {
      const status = (object ?? {}) as { code?: unknown; reason?: unknown; message?: unknown };
      throw new ApiError({
        status: typeof status.code === "number" ? status.code : 500,
        reason: typeof status.reason === "string" ? status.reason : "WatchError",
        message: typeof status.message === "string" ? status.message : "the API server ended the watch with an error",
      });
    }
  }
  throw new ApiError({ status: 200, reason: "InvalidAnswer", message: "expected a watch event, got another line" });
}
