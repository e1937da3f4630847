import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { SLICE_MANAGED_BY, SLICE_SERVICE_LABEL } from "../api/labels.ts";
import { activatorSliceName } from "../api/names.ts";
import type { ActivatorPorts } from "../sleep/port-allocation.ts";
import { ownedMetadata, type OwnedEndpointSlice } from "./owned-object.ts";

/** Which operator wrote a slice last before the replicas went. */
export const HOLDER_ANNOTATION = "serving.lockstep.dev/holder";

/** An operator's pod, and whether it listens on the slice's ports. */
export interface ActivatorEndpoint {
  readonly address: string;
  readonly isListening: boolean;
}

/**
 * Brings requests to the operators beside, or instead of, the replicas: kube-proxy joins all slices of a Service. It is also
 * the record of the ports on which operators answer for this InferenceService. The addresses must be of one family.
 */
export function activatorSlice(
  isvc: InferenceService,
  ports: ActivatorPorts,
  endpoints: readonly ActivatorEndpoint[],
  holder: string,
): OwnedEndpointSlice {
  const metadata = ownedMetadata(isvc, activatorSliceName(isvc.metadata.name));
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      ...metadata,
      labels: {
        ...metadata.labels,
        [SLICE_SERVICE_LABEL]: isvc.metadata.name,
        [SLICE_MANAGED_BY.key]: SLICE_MANAGED_BY.value,
      },
      annotations: { [HOLDER_ANNOTATION]: holder },
    },
    addressType: endpoints[0]?.address.includes(":") === true ? "IPv6" : "IPv4",
    // Under the names of the Service's ports, by which kube-proxy finds them.
    ports: [
      { name: "http", port: ports.http, protocol: "TCP", appProtocol: "http" },
      { name: "grpc", port: ports.grpc, protocol: "TCP", appProtocol: "kubernetes.io/h2c" },
    ],
    endpoints: endpoints.map(({ address, isListening }) => ({
      addresses: [address],
      conditions: { ready: isListening },
    })),
  };
}

/** The ports that a slice records; undefined where it is none of ours. */
export function portsOf({ ports = [] }: Partial<Pick<OwnedEndpointSlice, "ports">>): ActivatorPorts | undefined {
  const port = (name: string): number | undefined => ports.find((one) => one.name === name)?.port;
  const [http, grpc] = [port("http"), port("grpc")];
  return http === undefined || grpc === undefined ? undefined : { http, grpc };
}
