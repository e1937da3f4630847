/** Ports that the operator and the runtime agree on. */

/** Inference over HTTP, health and metrics of a replica. */
export const HTTP_PORT = 8080;
/** Reserved for inference over gRPC: nothing else may take it, and nothing listens yet. */
export const GRPC_PORT = 9000;
/** State of a replica, for the operator alone. */
export const ADMIN_PORT = 8081;
