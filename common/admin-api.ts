import * as z from "zod";
import { isReplicaFailureReason, type ReplicaFailureReason } from "./reasons.ts";

/**
 * The admin port of a replica: what it tells the operator, and what the operator tells it. Each request is signed
 * ({@link SIGNATURE_HEADER}); the replica never talks to the API server. A replica whose process must end writes its
 * {@link ReplicaFailure} as JSON into {@link TERMINATION_LOG}, where the kubelet takes it into the pod's status.
 *
 * `GET STATE_PATH` answers a {@link ReplicaReport}; with `?seen=REVISION&waitMs=N` as soon as it has another revision, or after that time.
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

const versionNumber = z.int().min(0);
/** `sha256:` and hexadecimal digits, of the model file. */
const digest = z.string().min(1).max(128);

const version = z.object({
  version: versionNumber,
  /** As TensorFlow Serving publishes them: Available only after it can be used, Unloading before it cannot. */
  state: z.enum(["Start", "Loading", "Available", "Unloading", "End"]),
  digest: digest.optional(),
  sizeBytes: z.int().min(0).optional(),
  /** Why it is not available; stays while it is tried again. */
  failure: failure.optional(),
});
export type ReplicaVersion = z.infer<typeof version>;

/**
 * What a replica does with requests that name no version: `Unjoined` and `Unsure` answer none, `Serving` lets the
 * epoch's version answer, `Fenced` lets them wait. Only the operator leads from one to another, but that a fence which
 * nobody lifts in time leaves the replica `Unsure`.
 */
export const GATE_KINDS = ["Unjoined", "Serving", "Fenced", "Unsure"] as const;
const gate = z.object({
  kind: z.enum(GATE_KINDS),
  /** The epoch that it last was told of; not set while `Unjoined`. */
  epoch: z.int().min(1).optional(),
  /** Of the last command; 0 before there was one. */
  term: z.int().min(0),
  /** Requests that wait. */
  held: z.int().min(0),
});
export type ReplicaGate = z.infer<typeof gate>;

const model = z.object({
  name: z.string(),
  /** The version that answers requests which name none; not set before there is one. */
  activeVersion: versionNumber.optional(),
  versions: z.array(version),
  /** Absent where no operator switches versions. */
  gate: gate.optional(),
  /** Complete versions in the repository, ascending, when it was last listed; absent before that. */
  listed: z.array(versionNumber).optional(),
  /** Versions on the disk whose files in the repository are others by now. */
  rewritten: z.array(versionNumber).optional(),
  /** The download under way. */
  loading: z
    .object({ version: versionNumber, bytesDone: z.int().min(0), bytesTotal: z.int().min(0).optional() })
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

const report = z.object({
  /** Drawn by the process when it starts: another one in the same pod has another. */
  instance: z.string().min(1).max(64),
  /** Raised with each change of the state, but that of `loading` alone. */
  revision: z.int().min(0),
  state,
});
/** What a replica answers when it is asked how it is. */
export type ReplicaReport = z.infer<typeof report>;

/** Reads a replica's state. Throws if it is not one. */
export function parseReplicaState(body: unknown): ReplicaState {
  return state.parse(body);
}

/** Reads a replica's answer. Throws if it is not one. */
export function parseReplicaReport(body: unknown): ReplicaReport {
  return report.parse(body);
}

/**
 * Where the operator sends commands, by `POST`; the answer is the replica's report after it, or status 409 with a
 * {@link CommandRefusal}.
 */
export const COMMAND_PATH = "/admin/v1/command";

/** The Ed25519 signature, in base64, over the method, the path with its query, and the body, with a newline between each. */
export const SIGNATURE_HEADER = "lockstep-signature";

/** What is signed of a request; `path` is with its query. */
export function signedText(request: { readonly method: string; readonly path: string; readonly body: string }): string {
  return `${request.method}\n${request.path}\n${request.body}`;
}

const addressed = {
  /** The process that is meant; any other refuses. */
  instance: z.string().min(1).max(64),
  model: z.string(),
  /**
   * Commands are ordered by term, then by number: a replica refuses one that is not above all it has had, so that what is
   * late or comes twice does nothing.
   */
  term: z.int().min(1),
  number: z.int().min(1),
};

/** The version that answers requests which name none, and the versions that labels stand for. */
const serving = z.object({
  version: versionNumber,
  /** Not known before some replica has fetched the version. */
  digest: digest.optional(),
  labels: z.record(z.string(), versionNumber),
});
/** What an epoch serves. */
export type Serving = z.infer<typeof serving>;

const command = z.discriminatedUnion("kind", [
  /** Have exactly these versions loaded and warm, beside what is in use; no effect on requests. */
  z.object({
    kind: z.literal("prepare"),
    ...addressed,
    versions: z
      .array(
        z.object({
          version: versionNumber,
          digest: digest.optional(),
          /** Another of these, whose clients this one must suit, too: otherwise it is refused. */
          compatibleWith: versionNumber.optional(),
        }),
      )
      .max(64),
    /** How often the repository is listed; 0 means never again. */
    pollIntervalMs: z.int().min(0),
  }),
  /** Let requests that name no version wait, until told more; a replica that has not joined only takes down the term. */
  z.object({ kind: z.literal("fence"), ...addressed, ttlMs: z.int().min(1).max(60_000) }),
  /**
   * Serve this epoch from now on: it joins, commits, or lifts a fence. A replica that cannot, for want of the version,
   * answers none of those requests any more.
   */
  z.object({ kind: z.literal("serve"), ...addressed, epoch: z.int().min(1), serving }),
]);
/** What the operator tells a replica. */
export type ReplicaCommand = z.infer<typeof command>;

/** Reads a command. Throws if it is none. */
export function parseReplicaCommand(body: unknown): ReplicaCommand {
  return command.parse(body);
}

/**
 * Where the operator asks a replica, by `POST` of a {@link Rebalance}, to let the clients of its open connections make others,
 * so that replicas that were added get their share; the answer has status 204.
 */
export const REBALANCE_PATH = "/admin/v1/rebalance";

const rebalance = z.object({
  /** Over so long, in ms, they are spread: not all clients come at once. */
  withinMs: z.int().min(0).max(60_000),
});
/** What the operator asks of a replica's connections. */
export type Rebalance = z.infer<typeof rebalance>;

/** Reads what is asked of the connections. Throws if it is not that. */
export function parseRebalance(body: unknown): Rebalance {
  return rebalance.parse(body);
}

const refusal = z.object({
  refused: z.enum([
    /** The process that was meant is gone. */
    "OtherInstance",
    /** There is no such model, or nobody switches its versions. */
    "UnknownModel",
    /** A command above it has come before. */
    "Superseded",
    /** It names an epoch below the replica's, or the replica's with another version. */
    "OtherEpoch",
    /** The version is not loaded, or is another file than the one that was meant. */
    "NotPrepared",
  ]),
  message: z.string().max(2048),
  report,
});
/** Why a replica did not do what it was told, and the state that it is in. */
export type CommandRefusal = z.infer<typeof refusal>;

/** Reads a refusal. Throws if it is none. */
export function parseCommandRefusal(body: unknown): CommandRefusal {
  return refusal.parse(body);
}

/** Where a replica tells its load, to `GET`: a {@link ReplicaLoad}. */
export const LOAD_PATH = "/admin/v1/load";

const load = z.object({
  /** Drawn by the process when it starts; sums begin at 0 with it. */
  instance: z.string().min(1).max(64),
  /** When this was taken, in ms of a clock of the process that only goes forward. */
  takenAtMs: z.number().min(0),
  /** Requests that are being answered, or wait for it. */
  inFlight: z.int().min(0),
  /** Requests that came, those that were refused among them. */
  requests: z.int().min(0),
  /** Requests that were refused because there were too many. */
  refused: z.int().min(0),
  /** The time that requests have been in flight, summed up: its growth by that of `takenAtMs` is the concurrency between. */
  inFlightMs: z.number().min(0),
  /** The time that requests have waited for their turn with a model, and how many had their turn. */
  queueMs: z.number().min(0),
  queued: z.int().min(0),
  /** The time that models have computed, all their instances together. */
  computeMs: z.number().min(0),
});
/** How much a replica has to do, in sums since its process began, so that nothing is lost between two questions. */
export type ReplicaLoad = z.infer<typeof load>;

/** Reads a replica's load. Throws if it is not one. */
export function parseReplicaLoad(body: unknown): ReplicaLoad {
  return load.parse(body);
}

/** Reads a container's termination message; undefined if it is not a replica's. */
export function parseTerminationMessage(text: string): ReplicaFailure | undefined {
  try {
    return failure.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
