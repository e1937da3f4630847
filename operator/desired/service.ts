import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { selectorLabels } from "../api/labels.ts";
import { ownedMetadata, type OwnedService } from "./owned-object.ts";

/** The address of the replicas: port 80 to their HTTP port. */
export function service(isvc: InferenceService): OwnedService {
  const { type = "ClusterIP", nodePort, annotations } = isvc.spec.predictor.service ?? {};
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      ...ownedMetadata(isvc, isvc.metadata.name),
      ...(annotations !== undefined && { annotations: { ...annotations } }),
    },
    spec: {
      type,
      selector: selectorLabels(isvc.metadata.name),
      ports: [
        {
          name: "http",
          port: 80,
          protocol: "TCP",
          targetPort: "http",
          appProtocol: "http",
          ...(nodePort !== undefined && { nodePort }),
        },
      ],
    },
  };
}
