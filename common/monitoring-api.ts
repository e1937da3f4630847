import * as z from "zod";

/**
 * What replicas tell of what they did, on their admin port: sums since the process began or the version was loaded, so that
 * nothing is lost between two questions, and so that sums of replicas are exact.
 */

/** Where a replica tells it, to `GET`: a {@link ReplicaMonitoring}. */
export const MONITORING_PATH = "/admin/v1/monitoring";

/**
 * Where the operator hands a replica the reference of a version that was published without one, or has it learn one anew, by
 * `POST` of a {@link ReferenceAssignment}; the answer has status 204, or 409 where the replica has no such version.
 */
export const REFERENCE_PATH = "/admin/v1/reference";

/**
 * Where the operator asks for the profile with a hash that a version is counted by, to `GET`, as it may have been published
 * with the version: `PROFILE_PATH?hash=HASH`. The answer is a Profile, or has status 404.
 */
export const PROFILE_PATH = "/admin/v1/profile";

/** Where the operator brings outcomes whose predictions other replicas did not know, by `POST` of {@link ForwardedOutcomes}; status 204. */
export const OUTCOMES_PATH = "/admin/v1/outcomes";

const count = z.int().min(0);
/** Checked at once: replicas tell thousands of them, and a check of each by itself takes ten times as long. */
const counts = z.custom<number[]>((value) => Array.isArray(value) && value.every(isCount), {
  error: "expected an array of whole numbers from 0",
});

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

const versionNumber = z.int().min(0);

/** Durations in bins, as {@link DURATION_BOUNDS_SECONDS} has them; then those above all. */
const durations = z.object({ counts, sumSeconds: z.number().min(0) });
export type DurationSums = z.infer<typeof durations>;

/** Upper bounds of the bins of {@link DurationSums}, ascending: fine enough for quantiles to be read from them. */
export const DURATION_BOUNDS_SECONDS: readonly number[] = [
  0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3,
  0.5, 0.75, 1, 2, 5, 10, 30,
];

/** Values of one feature before there is a reference. Its form is that of common/drift/; sums of replicas are exact. */
const learningFeature = z.object({
  name: z.string(),
  side: z.enum(["input", "output"]),
  sketch: z.json(),
});

/** Which learning a reference, or what will be one, belongs to: each time that the operator has it learned anew, it is another word. */
const relearn = z.string().max(64).optional();

const drift = z.discriminatedUnion("state", [
  z.object({ state: z.literal("Off") }),
  /** There is no reference yet: what has come so far, of which one can be made. */
  z.object({ state: z.literal("Learning"), rows: count, features: z.array(learningFeature), relearn }),
  z.object({
    state: z.literal("Counting"),
    source: z.enum(["Published", "Learned"]),
    /** Content hash of the profile that is counted by: only counts by the same one can be added. */
    profile: z.string(),
    /** Sampled rows, since counting by this profile began. */
    rows: count,
    /** In the order of the profile's features: counts by its bins, and missing values. */
    features: z.array(z.object({ counts, missing: count, outOfRange: count })),
    relearn,
  }),
]);
export type ReplicaDrift = z.infer<typeof drift>;

/** How predictions met their outcomes. Sums, so that those of replicas can be added. */
const outcomes = z.object({
  /** Rows of predictions that an outcome came for. */
  joined: count,
  /** Labels: rows whose prediction was right; of `labels` rows. */
  labels: count,
  correct: count,
  /** Numbers: sums of the absolute and of the squared error, of `numbers` rows. */
  numbers: count,
  absoluteError: z.number().min(0),
  squaredError: z.number().min(0),
});
export type OutcomeSums = z.infer<typeof outcomes>;

const version = z.object({
  version: versionNumber,
  digest: z.string().max(128).optional(),
  /** Requests that have ended, by outcome: `OK` or an error code. */
  requests: z.record(z.string(), count),
  /** Total time of requests, whatever the outcome. */
  duration: durations,
  /** Of requests that were answered: rows, their wait for their turn, and the time of the runs that they were in. */
  rows: count,
  queueSeconds: z.number().min(0),
  computeSeconds: z.number().min(0),
  drift,
  outcomes: outcomes.optional(),
});
export type ReplicaVersionMonitoring = z.infer<typeof version>;

/** An outcome that a client told of a request that this replica does not know. */
const outcome = z.object({
  requestId: z.string().min(1).max(128),
  /** One for each row of the request. */
  values: z.array(z.union([z.string().max(256), z.number(), z.boolean()])).max(1024),
});
export type Outcome = z.infer<typeof outcome>;

const monitoring = z.object({
  /** Drawn by the process when it starts; sums begin at 0 with it. */
  instance: z.string().min(1).max(64),
  /** Of the process' clock, as in ReplicaLoad: only differences mean something. */
  takenAtMs: z.number().min(0),
  models: z.array(
    z.object({
      name: z.string(),
      inFlight: count,
      /** Requests that have ended without a version to answer them, by error code: none was loaded, or there is none such. */
      unanswered: z.record(z.string(), count).optional(),
      versions: z.array(version),
      /** Outcomes that another replica may know the predictions of, with a number that grows; told until they are old. */
      strayOutcomes: z.array(outcome.extend({ number: count })).max(1000),
    }),
  ),
});
export type ReplicaMonitoring = z.infer<typeof monitoring>;

/** Reads what a replica tells. Throws if it is not that. */
export function parseReplicaMonitoring(body: unknown): ReplicaMonitoring {
  return monitoring.parse(body);
}

const assignment = z.object({
  model: z.string(),
  version: versionNumber,
  digest: z.string().max(128),
  /** A Profile. Without one the replica forgets what it learned, and begins anew, unless it has begun this learning already. */
  profile: z.json().optional(),
  relearn,
});
export type ReferenceAssignment = z.infer<typeof assignment>;

/** Reads an assignment. Throws if it is none. */
export function parseReferenceAssignment(body: unknown): ReferenceAssignment {
  return assignment.parse(body);
}

const forwarded = z.object({ model: z.string(), outcomes: z.array(outcome).max(1000) });
export type ForwardedOutcomes = z.infer<typeof forwarded>;

/** Reads forwarded outcomes. Throws if they are none. */
export function parseForwardedOutcomes(body: unknown): ForwardedOutcomes {
  return forwarded.parse(body);
}
