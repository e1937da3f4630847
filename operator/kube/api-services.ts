import type { KubeClient } from "./client.ts";
import { ApiError } from "./cluster.ts";
import type { KubeObject } from "./object.ts";
import { pathOf } from "./resources.ts";

/** Says which Service answers for a version of an API group; belongs to the whole cluster. */
export interface ApiServiceObject extends KubeObject {
  readonly spec?: {
    /** Absent where the API server answers itself. */
    readonly service?: { readonly namespace?: string; readonly name?: string } | null;
    /** PEM in base64. */
    readonly caBundle?: string;
    readonly insecureSkipTLSVerify?: boolean;
  };
}

/** The APIService objects of a cluster, as much as the operator may do with them. */
export interface ApiServices {
  /** Undefined where there is none of that name. */
  get(name: string, signal: AbortSignal): Promise<ApiServiceObject | undefined>;
  /** Says who signs the certificate of the Service, if the object is still what it was; `conflict` otherwise. */
  setCaBundle(live: ApiServiceObject, caBundlePem: string, signal: AbortSignal): Promise<"written" | "conflict">;
}

const RESOURCE = { apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", plural: "apiservices" };

/** The APIService objects behind an API server. */
export function createApiServices(client: KubeClient): ApiServices {
  return {
    get: async (name, signal) => {
      try {
        return (await client.send({ method: "GET", path: pathOf(RESOURCE, { name }), signal }))
          .body as ApiServiceObject;
      } catch (error) {
        if (error instanceof ApiError && error.status === 404) return undefined;
        throw error;
      }
    },
    setCaBundle: async ({ metadata: { name, resourceVersion } }, caBundlePem, signal) => {
      try {
        await client.send({
          method: "PATCH",
          path: pathOf(RESOURCE, { name }),
          query: { fieldManager: "lockstep" },
          contentType: "application/merge-patch+json",
          body: {
            metadata: { resourceVersion },
            spec: { caBundle: Buffer.from(caBundlePem).toString("base64"), insecureSkipTLSVerify: false },
          },
          signal,
        });
        return "written";
      } catch (error) {
        if (error instanceof ApiError && (error.status === 404 || error.status === 409)) return "conflict";
        throw error;
      }
    },
  };
}
