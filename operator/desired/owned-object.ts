import type {
  V1ConfigMap,
  V1Deployment,
  V1DeploymentSpec,
  V1PodDisruptionBudget,
  V1Service,
  V2HorizontalPodAutoscaler,
} from "@kubernetes/client-node";
import { INFERENCE_SERVICE, type InferenceService } from "../../common/inferenceservice.gen.ts";
import { objectLabels } from "../api/labels.ts";

/** Metadata of an object that belongs to an InferenceService. */
export interface OwnedMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Record<string, string>;
  readonly annotations?: Record<string, string>;
  readonly ownerReferences: {
    apiVersion: string;
    kind: string;
    name: string;
    uid: string;
    controller: true;
    blockOwnerDeletion: true;
  }[];
}

type Owned<T, V extends string, K extends string> = Omit<T, "apiVersion" | "kind" | "metadata" | "status"> & {
  readonly apiVersion: V;
  readonly kind: K;
  readonly metadata: OwnedMetadata;
};
export type OwnedConfigMap = Owned<V1ConfigMap, "v1", "ConfigMap">;
export type OwnedService = Owned<V1Service, "v1", "Service">;
export type OwnedDeployment = Owned<V1Deployment, "apps/v1", "Deployment"> & { readonly spec: V1DeploymentSpec };
export type OwnedAutoscaler = Owned<V2HorizontalPodAutoscaler, "autoscaling/v2", "HorizontalPodAutoscaler">;
export type OwnedAutoscalerMetric = NonNullable<NonNullable<OwnedAutoscaler["spec"]>["metrics"]>[number];
export type OwnedDisruptionBudget = Owned<V1PodDisruptionBudget, "policy/v1", "PodDisruptionBudget">;
/** As the API server has it: the client's own type renames `from`. */
export type OwnedNetworkPolicy = Owned<object, "networking.k8s.io/v1", "NetworkPolicy"> & {
  readonly spec: {
    readonly podSelector: { readonly matchLabels: Record<string, string> };
    readonly policyTypes: readonly ["Ingress"];
    readonly ingress: readonly {
      readonly ports: readonly { readonly port: number; readonly protocol: "TCP" }[];
      readonly from?: readonly { readonly namespaceSelector: { readonly matchLabels: Record<string, string> } }[];
    }[];
  };
};
export type OwnedEndpointSlice = Owned<object, "discovery.k8s.io/v1", "EndpointSlice"> & EndpointSliceFields;
/** What of an EndpointSlice the operator looks at, and writes. */
export interface EndpointSliceFields {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: readonly {
    readonly name: string;
    readonly port: number;
    readonly protocol: "TCP";
    readonly appProtocol: string;
  }[];
  readonly endpoints: readonly {
    readonly addresses: readonly string[];
    readonly conditions: { readonly ready: boolean };
  }[];
}
/** What the operator makes: every kind there is, told apart by `kind`. */
export type OwnedObject =
  | OwnedConfigMap
  | OwnedService
  | OwnedDeployment
  | OwnedAutoscaler
  | OwnedDisruptionBudget
  | OwnedNetworkPolicy
  | OwnedEndpointSlice;

/** Metadata with our labels, and with the InferenceService as owner so that it takes the object along when it goes. */
export function ownedMetadata(isvc: InferenceService, name: string): OwnedMetadata {
  const owner = isvc.metadata;
  return {
    name,
    namespace: owner.namespace ?? "default",
    labels: objectLabels(owner.name),
    ownerReferences: [
      {
        apiVersion: INFERENCE_SERVICE.apiVersion,
        kind: INFERENCE_SERVICE.kind,
        name: owner.name,
        uid: owner.uid ?? "",
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}
