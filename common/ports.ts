/** Ports that the operator and the runtime agree on. */

/** Inference over HTTP, health and metrics of a replica. */
export const HTTP_PORT = 8080;
/** Inference over gRPC of a replica, and its Service's port for it. */
export const GRPC_PORT = 9000;
/** State of a replica, for the operator alone. */
export const ADMIN_PORT = 8081;
