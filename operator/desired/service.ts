import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { GRPC_PORT } from "../../common/ports.ts";
import { selectorLabels } from "../api/labels.ts";
import { ownedMetadata, type OwnedService } from "./owned-object.ts";

/** The address of the replicas: port 80 to their HTTP port, and the same port on both sides for gRPC. */
export function service(isvc: InferenceService): OwnedService {
  const { type = "ClusterIP", nodePort, grpcNodePort, annotations } = isvc.spec.predictor.service ?? {};
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
        {
          name: "grpc",
          port: GRPC_PORT,
          protocol: "TCP",
          targetPort: "grpc",
          // HTTP/2 without TLS: gateways and meshes balance its calls, not its connections.
          appProtocol: "kubernetes.io/h2c",
          ...(grpcNodePort !== undefined && { nodePort: grpcNodePort }),
        },
      ],
    },
  };
}
