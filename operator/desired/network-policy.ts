import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { ADMIN_PORT, GRPC_PORT, HTTP_PORT } from "../../common/ports.ts";
import { selectorLabels } from "../api/labels.ts";
import { predictorName } from "../api/names.ts";
import { ownedMetadata, type OwnedNetworkPolicy } from "./owned-object.ts";

/**
 * Closes the replicas' admin port to all but the operator's namespace, beside the signatures that it asks for. Policies add
 * up, and one that selects a pod closes what none opens: so this one opens the ports for inference to everybody.
 */
export function networkPolicy(isvc: InferenceService, operatorNamespace: string): OwnedNetworkPolicy {
  const { name } = isvc.metadata;
  const port = (number: number): { port: number; protocol: "TCP" } => ({ port: number, protocol: "TCP" });
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: ownedMetadata(isvc, predictorName(name)),
    spec: {
      podSelector: { matchLabels: selectorLabels(name) },
      policyTypes: ["Ingress"],
      ingress: [
        { ports: [port(HTTP_PORT), port(GRPC_PORT)] },
        {
          from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": operatorNamespace } } }],
          ports: [port(ADMIN_PORT)],
        },
      ],
    },
  };
}
