import { INFERENCE_SERVICE } from "../../common/inferenceservice.gen.ts";

/** Whatever the operator makes carries this label; it watches nothing else. */
export const MANAGED_BY = { key: "app.kubernetes.io/managed-by", value: "lockstep" } as const;
/** Which InferenceService an object belongs to. */
export const SERVICE_LABEL = `${INFERENCE_SERVICE.group}/inferenceservice`;
/** Which pod template a pod was made from. */
export const REVISION_LABEL = `${INFERENCE_SERVICE.group}/revision`;

/** Which place the numbers of a pod's versions belong to. */
export const SOURCE_LABEL = `${INFERENCE_SERVICE.group}/source`;

/** Which Service an EndpointSlice belongs to: kube-proxy honours all that carry it. */
export const SLICE_SERVICE_LABEL = "kubernetes.io/service-name";
/** Who looks after an EndpointSlice: Kubernetes leaves alone what is not its own. */
export const SLICE_MANAGED_BY = {
  key: "endpointslice.kubernetes.io/managed-by",
  value: `${INFERENCE_SERVICE.group}-activator`,
} as const;

/** Selects the replicas' pods. A Deployment's selector is immutable, so this must never change. */
export function selectorLabels(service: string): Record<string, string> {
  return { [SERVICE_LABEL]: service };
}

/** Labels of every object that the operator makes for an InferenceService. */
export function objectLabels(service: string): Record<string, string> {
  return {
    ...selectorLabels(service),
    [MANAGED_BY.key]: MANAGED_BY.value,
    "app.kubernetes.io/name": "lockstep-runtime",
    "app.kubernetes.io/instance": service,
    "app.kubernetes.io/component": "predictor",
  };
}

/** Labels as a selector string, such as `status.selector`. */
export function selectorText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(",");
}
