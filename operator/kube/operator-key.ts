import type { Cluster } from "./cluster.ts";
import type { KubeObject } from "./object.ts";

/** Name of the Secret with the key by which replicas know the operator, in the operator's own namespace. */
export const OPERATOR_KEY_SECRET = "lockstep-operator-key";
const KEY = "privateKey.pem";

type SecretObject = KubeObject & { readonly data?: Readonly<Record<string, string>> };

/**
 * The operator's private key, in PEM: the one that an operator has made before, or a new one that others will find. Where
 * two make it at the same time, both get the same.
 */
export async function operatorPrivateKey(
  cluster: Pick<Cluster, "get" | "create">,
  namespace: string,
  makeKey: () => string,
  signal: AbortSignal,
): Promise<string> {
  const reference = { apiVersion: "v1", kind: "Secret", namespace, name: OPERATOR_KEY_SECRET };
  for (;;) {
    const found = await cluster.get<SecretObject>(reference, signal);
    const stored = found?.data?.[KEY];
    if (stored !== undefined) return Buffer.from(stored, "base64").toString();
    if (found !== undefined)
      throw new Error(`Secret ${OPERATOR_KEY_SECRET} has no ${KEY}: delete it, and restart the operator`);
    const pem = makeKey();
    const data = { [KEY]: Buffer.from(pem).toString("base64") };
    const secret = {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { namespace, name: OPERATOR_KEY_SECRET },
      type: "Opaque",
      data,
    };
    const made = await cluster.create(secret, signal);
    if (made.kind === "created") return pem;
  }
}
