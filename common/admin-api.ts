import * as z from "zod";
import { isReplicaFailureReason, type ReplicaFailureReason } from "./reasons.ts";

/**
 * What a replica tells the operator: `GET http://POD:ADMIN_PORT/admin/v1/state`. The operator asks; the replica never
 * talks to the API server. A replica whose process must end writes its {@link ReplicaFailure} as JSON into
 * {@link TERMINATION_LOG}, where the kubelet takes it into the pod's status.
 */
export const STATE_PATH = "/admin/v1/state";

/** Where a container leaves its last words (Pod `terminationMessagePath`); at most 4096 bytes are kept. */
export const TERMINATION_LOG = "/dev/termination-log";

/** What a replica is doing, from start to end. It answers inference requests only while `Ready` or `Draining`. */
export const REPLICA_PHASES = ["Starting", "Fetching", "Loading", "WarmingUp", "Ready", "Failed", "Draining"] as const;
export type ReplicaPhase = (typeof REPLICA_PHASES)[number];

const reason = z.custom<ReplicaFailureReason>((word) => typeof word === "string" && isReplicaFailureReason(word), {
  error: "expected one of the documented reasons",
});

const failure = z.object({
  reason,
  /** For people; names what was expected and what was got, never a secret. */
  message: z.string().max(2048),
  version: z.int().min(0).optional(),
});
/** Why a replica cannot serve. */
export type ReplicaFailure = z.infer<typeof failure>;

const version = z.object({
  version: z.int().min(0),
  /** As TensorFlow Serving publishes them: Available only after it can be used, Unloading before it cannot. */
  state: z.enum(["Start", "Loading", "Available", "Unloading", "End"]),
  /** `sha256:` and hexadecimal digits, of the model file. */
  digest: z.string().optional(),
  sizeBytes: z.int().min(0).optional(),
});
export type ReplicaVersion = z.infer<typeof version>;

const model = z.object({
  name: z.string(),
  /** The version that answers requests which name none; not set before there is one. */
  activeVersion: z.int().min(0).optional(),
  versions: z.array(version),
  /** The download under way. */
  loading: z
    .object({ version: z.int().min(0), bytesDone: z.int().min(0), bytesTotal: z.int().min(0).optional() })
    .optional(),
  failure: failure.optional(),
});
export type ReplicaModel = z.infer<typeof model>;

const state = z.object({
  phase: z.enum(REPLICA_PHASES),
  models: z.array(model),
});
/** The state of a replica. */
export type ReplicaState = z.infer<typeof state>;

/** Reads a replica's answer. Throws if it is not one. */
export function parseReplicaState(body: unknown): ReplicaState {
  return state.parse(body);
}

/** Reads a container's termination message; undefined if it is not a replica's. */
export function parseTerminationMessage(text: string): ReplicaFailure | undefined {
  try {
    return failure.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
