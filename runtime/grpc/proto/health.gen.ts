// Generated from grpc/health/v1/health.proto by `npm run generate`. Do not edit.

import type { MessageType } from "../wire/message-type.ts";

/** grpc.health.v1.HealthCheckResponse.ServingStatus */
export const HealthCheckResponseServingStatus = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
} as const;

/** grpc.health.v1.HealthCheckRequest */
export interface HealthCheckRequest {
  service: string;
}
export const HealthCheckRequest: MessageType<HealthCheckRequest> = {
  name: "grpc.health.v1.HealthCheckRequest",
  create: () => ({ service: "" }),
  fields: [
    { number: 1, name: "service", kind: "string" },
  ],
};

/** grpc.health.v1.HealthCheckResponse */
export interface HealthCheckResponse {
  status: number;
}
export const HealthCheckResponse: MessageType<HealthCheckResponse> = {
  name: "grpc.health.v1.HealthCheckResponse",
  create: () => ({ status: 0 }),
  fields: [
    { number: 1, name: "status", kind: "enum" },
  ],
};
