import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { createKubeClient, type KubeClient } from "./client.ts";
import { ApiError } from "./cluster.ts";
import type { KubeConnection } from "./connection.ts";
import { pathOf, RESOURCES } from "./resources.ts";

/**
 * What people do by the operator's hand: each request to the API server carries the person's bearer token and nothing of the
 * operator's own, so that the person's rights decide and the audit log names the person. Throws ApiError where the API server
 * refuses.
 */
export interface PersonAccess {
  /** Whether the person may list InferenceServices in a namespace; undefined: in all of them. */
  mayList(token: string, namespace: string | undefined, signal: AbortSignal): Promise<boolean>;
  /** Reads an InferenceService, and changes it by a merge patch; undefined from `patchOf` where nothing is to be done. */
  change(
    token: string,
    where: { readonly namespace: string; readonly name: string },
    patchOf: (isvc: InferenceService) => { readonly metadata?: object } | undefined,
    signal: AbortSignal,
  ): Promise<InferenceService>;
}

const TIMEOUT_MS = 10_000;
/** The operator writes the status meanwhile, often so while versions change. */
const MAX_TRIES = 5;
const FIELD_MANAGER = "lockstep-console";

/** Access by the connection that the operator has. Throws an Error where that is one that adds rights of its own. */
export function createPersonAccess(connection: KubeConnection): PersonAccess {
  async function as<T>(token: string, work: (client: KubeClient) => Promise<T>): Promise<T> {
    const client = createKubeClient({ connection: connectionOf(connection, token), userAgent: "lockstep-console" });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  return {
    mayList: (token, namespace, signal) =>
      as(token, async (client) => {
        const { group, plural } = RESOURCES.inferenceServices;
        const resourceAttributes = {
          group,
          resource: plural,
          verb: "list",
          ...(namespace !== undefined && { namespace }),
        };
        const { body } = await client.send({
          method: "POST",
          path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
          body: {
            apiVersion: "authorization.k8s.io/v1",
            kind: "SelfSubjectAccessReview",
            spec: { resourceAttributes },
          },
          timeoutMs: TIMEOUT_MS,
          signal,
        });
        return (body as { status?: { allowed?: unknown } } | undefined)?.status?.allowed === true;
      }),

    change: (token, where, patchOf, signal) =>
      as(token, async (client) => {
        const path = pathOf(RESOURCES.inferenceServices, where);
        for (let tries = 1; ; tries++) {
          const { body } = await client.send({ method: "GET", path, timeoutMs: TIMEOUT_MS, signal });
          const isvc = body as InferenceService;
          const patch = patchOf(isvc);
          if (patch === undefined) return isvc;
          const { resourceVersion } = isvc.metadata;
          try {
            const changed = await client.send({
              method: "PATCH",
              path,
              query: { fieldManager: FIELD_MANAGER, fieldValidation: "Strict" },
              contentType: "application/merge-patch+json",
              // What was looked at is what is changed.
              body: { ...patch, metadata: { ...patch.metadata, resourceVersion } },
              timeoutMs: TIMEOUT_MS,
              signal,
            });
            return changed.body as InferenceService;
          } catch (error) {
            if (!(error instanceof ApiError && error.status === 409) || tries >= MAX_TRIES) throw error;
          }
        }
      }),
  };
}

/** The same server, with the token alone: certificates and headers that prove the operator are left out. */
function connectionOf(connection: KubeConnection, token: string): KubeConnection {
  const { server } = connection;
  return {
    server,
    credentials: async () => {
      // A proxy on this machine, such as kubectl's, may add rights of its own to what comes.
      if (!server.startsWith("https:"))
        throw new ApiError({
          status: 0,
          reason: "NotEncrypted",
          message: "the operator does not reach the API server by TLS, so it passes no token on",
        });
      const { tls } = await connection.credentials();
      const { cert: _cert, key: _key, ...trust } = tls;
      return { headers: { authorization: `Bearer ${token}` }, tls: trust };
    },
  };
}
