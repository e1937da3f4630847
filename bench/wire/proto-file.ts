import path from "node:path";

/** The definition of the gRPC service, as far as the benchmark uses it. */
export const PROTO_FILE: string = path.join(import.meta.dirname, "inference.proto");
