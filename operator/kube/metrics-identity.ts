import type { Cluster } from "./cluster.ts";
import type { KubeObject } from "./object.ts";

/** Name of the Secret with the certificates of the metrics API, in the operator's own namespace. */
export const METRICS_IDENTITY_SECRET = "lockstep-metrics-api-tls";

type SecretObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

/** The Secret as it is. */
export interface StoredSecret {
  readonly data: Readonly<Record<string, string>>;
  readonly resourceVersion: string;
}

/** Keeps the identity of the metrics API, which all replicas of the operator have in common. */
export interface IdentityStore {
  /** Undefined where there is none yet. */
  read(signal: AbortSignal): Promise<StoredSecret | undefined>;
  /** Writes, unless somebody else has written since `known` was read: then it is `conflict`, and what is there counts. */
  write(
    data: Readonly<Record<string, string>>,
    known: StoredSecret | undefined,
    signal: AbortSignal,
  ): Promise<"written" | "conflict">;
}

/** The store in a namespace. */
export function createIdentityStore(
  cluster: Pick<Cluster, "get" | "create" | "replace">,
  namespace: string,
): IdentityStore {
  const reference = { apiVersion: "v1", kind: "Secret", namespace, name: METRICS_IDENTITY_SECRET };
  return {
    read: async (signal) => {
      const found = await cluster.get<SecretObject>(reference, signal);
      return found && { data: found.data ?? {}, resourceVersion: found.metadata.resourceVersion ?? "" };
    },
    write: async (data, known, signal) => {
      const { apiVersion, kind, name } = reference;
      const resourceVersion = known === undefined ? {} : { resourceVersion: known.resourceVersion };
      const secret = { apiVersion, kind, metadata: { namespace, name, ...resourceVersion }, type: "Opaque", data };
      const { kind: outcome } =
        known === undefined ? await cluster.create(secret, signal) : await cluster.replace(secret, signal);
      return outcome === "created" || outcome === "replaced" ? "written" : "conflict";
    },
  };
}
