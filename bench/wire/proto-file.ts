import path from "node:path";

/** The definition of the gRPC service: the server's own, which all peers understand. */
export const PROTO_FILE: string = path.join(import.meta.dirname, "../../runtime/grpc/proto/grpc_service.proto");
