import { INFERENCE_SERVICE } from "../../common/inferenceservice.gen.ts";

/** A kind of object and where the API server has it. */
export interface Resource {
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
}

/** All kinds that the operator reads or writes; all of them are namespaced. */
export const RESOURCES = {
  inferenceServices: INFERENCE_SERVICE,
  deployments: { apiVersion: "apps/v1", kind: "Deployment", plural: "deployments" },
  services: { apiVersion: "v1", kind: "Service", plural: "services" },
  configMaps: { apiVersion: "v1", kind: "ConfigMap", plural: "configmaps" },
  horizontalPodAutoscalers: {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    plural: "horizontalpodautoscalers",
  },
  podDisruptionBudgets: { apiVersion: "policy/v1", kind: "PodDisruptionBudget", plural: "poddisruptionbudgets" },
  networkPolicies: { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", plural: "networkpolicies" },
  endpointSlices: { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", plural: "endpointslices" },
  secrets: { apiVersion: "v1", kind: "Secret", plural: "secrets" },
  pods: { apiVersion: "v1", kind: "Pod", plural: "pods" },
  events: { apiVersion: "events.k8s.io/v1", kind: "Event", plural: "events" },
  leases: { apiVersion: "coordination.k8s.io/v1", kind: "Lease", plural: "leases" },
} as const satisfies Record<string, Resource>;

/** The resource of a kind. Throws where the operator has nothing to do with that kind. */
export function resourceOf({ apiVersion, kind }: { readonly apiVersion: string; readonly kind: string }): Resource {
  const found = Object.values<Resource>(RESOURCES).find(
    (resource) => resource.apiVersion === apiVersion && resource.kind === kind,
  );
  if (found === undefined)
    throw new Error(`expected a kind of the operator's resource table, got ${apiVersion} ${kind}`);
  return found;
}

/** Path of a collection on the API server, or of one object in it, or of a subresource of that. */
export function pathOf(
  resource: Resource,
  where: { readonly namespace?: string | undefined; readonly name?: string; readonly subresource?: string },
): string {
  const root = resource.apiVersion.includes("/") ? "/apis" : "/api";
  const namespace = where.namespace === undefined ? [] : ["namespaces", where.namespace];
  const parts = [...namespace, resource.plural, where.name, where.subresource].filter((part) => part !== undefined);
  return [root, resource.apiVersion, ...parts.map(encodeURIComponent)].join("/");
}
