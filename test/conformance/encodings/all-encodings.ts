import type { Encoding } from "./encoding.ts";
import { GRPC_ENCODINGS } from "./grpc.ts";
import { PREDICTION_ENCODINGS } from "./prediction-http.ts";
import { V2_COMPRESSED_ENCODINGS, V2_HTTP_ENCODINGS } from "./v2-http.ts";

/** Every way in which a client can ask: each must carry each vector that it can carry at all. */
export const ENCODINGS: readonly Encoding[] = [
  ...V2_HTTP_ENCODINGS,
  ...V2_COMPRESSED_ENCODINGS,
  ...PREDICTION_ENCODINGS,
  ...GRPC_ENCODINGS,
];
