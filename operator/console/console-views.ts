/** What the console's page is told, as JSON: types alone, which the page and the server have in common. */

/** `GET /api/v1/inferenceservices`. */
export interface ListAnswer {
  readonly services: readonly ServiceRow[];
  /** Kinds of objects of which the operator has no fresh view now. */
  readonly staleKinds: readonly string[];
  readonly takenAtMs: number;
}

/** `GET /api/v1/inferenceservices/NAMESPACE/NAME`. */
export interface ServiceAnswer {
  readonly service: ServiceView;
  readonly staleKinds: readonly string[];
  readonly takenAtMs: number;
}

/** Any answer that is no success. */
export interface ErrorAnswer {
  readonly error: { readonly reason: string; readonly message: string };
}

/** What the person's action has come to. */
export interface ActionAnswer {
  readonly message: string;
}

/** `Unknown`: nothing was heard of it. */
export type DriftWord = "Off" | "Unknown" | "Learning" | "Waiting" | "Steady" | "Drifting";

/** One line of the list. */
export interface ServiceRow {
  readonly namespace: string;
  readonly name: string;
  readonly ready: "True" | "False" | "Unknown";
  readonly reason: string;
  readonly activeVersion: number | undefined;
  /** Only while it is another one than the active version. */
  readonly targetVersion: number | undefined;
  /** Ready and existing ones, such as 3/3. */
  readonly replicas: string;
  readonly drift: DriftWord;
  /** Of the last minute; undefined where no replica was heard of in it. */
  readonly recent: RecentTraffic | undefined;
}

export interface RecentTraffic {
  readonly requestsPerSecond: number;
  readonly errorsPerSecond: number;
  readonly p99Ms: number | undefined;
}

export interface ServiceView extends ServiceRow {
  readonly url: string | undefined;
  readonly model: string;
  /** Where the model is, without what may stand behind a question mark. */
  readonly storageUri: string;
  /** The version policy in words. */
  readonly versionPolicy: string;
  readonly previousVersion: number | undefined;
  readonly epoch: number | undefined;
  readonly isStopped: boolean;
  readonly minReplicas: number;
  readonly maxReplicas: number | undefined;
  readonly conditions: readonly ConditionView[];
  readonly failures: readonly FailureView[];
  readonly rollout: RolloutView | undefined;
  readonly versions: readonly VersionView[];
  readonly replicaList: readonly ReplicaView[];
  /** Replicas that are left out of the list, as it is long. */
  readonly replicasOmitted: number;
  /** Oldest first, of the last hour. */
  readonly traffic: readonly TrafficSample[];
  readonly driftDetail: DriftView;
  /** Newest first. */
  readonly timeline: readonly TimelineEntry[];
}

export interface RolloutView {
  readonly phase: string;
  readonly prepared: number;
  readonly total: number;
  readonly lastSwitchHeldMs: number | undefined;
}

/** A reason with what its reader should know. */
export interface ReasonView {
  readonly reason: string;
  readonly message: string;
  readonly meaning: string | undefined;
  readonly remedy: string | undefined;
}

export interface ConditionView extends ReasonView {
  readonly type: string;
  readonly status: "True" | "False" | "Unknown";
  /** Whether it is as one would wish. */
  readonly isGood: boolean;
  readonly sinceMs: number;
}

export interface FailureView extends ReasonView {
  readonly pod: string | undefined;
  readonly version: number | undefined;
}

export interface VersionView {
  readonly version: number;
  readonly isActive: boolean;
  readonly isPrevious: boolean;
  readonly isTarget: boolean;
  /** Of the requests of the last five minutes; undefined where there were none. */
  readonly share: number | undefined;
  readonly requests: number;
  readonly errors: number;
  readonly p50Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly drift: DriftWord;
  readonly outcomes: OutcomesView | undefined;
}

export interface OutcomesView {
  readonly joined: number;
  readonly accuracy: number | undefined;
  readonly meanAbsoluteError: number | undefined;
  readonly rootMeanSquaredError: number | undefined;
}

export interface ReplicaView {
  readonly pod: string;
  readonly isReady: boolean;
  readonly isGoing: boolean;
  readonly phase: string;
  readonly restarts: number;
  readonly createdAtMs: number | undefined;
  /** False: the replica did not answer, so that its versions are not known. */
  readonly isHeard: boolean;
  readonly gate: string | undefined;
  readonly epoch: number | undefined;
  readonly held: number;
  readonly activeVersion: number | undefined;
  readonly versions: readonly ReplicaVersionView[];
}

export interface ReplicaVersionView {
  readonly version: number;
  readonly state: string;
  readonly failure: string | undefined;
}

/** What happened in some interval, as rates and quantiles. */
export interface TrafficSample {
  /** Its end. */
  readonly atMs: number;
  readonly requestsPerSecond: number;
  /** By outcome: `OK` or an error code. */
  readonly byOutcome: Readonly<Record<string, number>>;
  readonly byVersion: Readonly<Record<string, number>>;
  readonly p50Ms: number | undefined;
  readonly p90Ms: number | undefined;
  readonly p99Ms: number | undefined;
  readonly inFlight: number;
  readonly replicas: number;
  /** Means of a request; undefined where there was none. */
  readonly queueMs: number | undefined;
  readonly computeMs: number | undefined;
}

export interface DriftView {
  readonly state: DriftWord;
  readonly version: number | undefined;
  readonly rows: number;
  readonly wantedRows: number;
  readonly source: "Published" | "Learned" | undefined;
  readonly referenceRows: number;
  /** Those that moved most come first. */
  readonly features: readonly FeatureView[];
}

export interface FeatureView {
  readonly name: string;
  readonly side: "input" | "output";
  readonly isDrifting: boolean;
  readonly message: string;
  readonly psi: number;
  readonly ks: number;
  readonly js: number;
  readonly wasserstein: number;
  readonly pValue: number;
  readonly kind: "numeric" | "categorical";
  /** Shares of rows, 0 to 1. */
  readonly missing: { readonly reference: number; readonly window: number };
  readonly outOfRange: number;
  /** Left out of features far down the list. */
  readonly bins: readonly BinView[] | undefined;
}

export interface BinView {
  readonly label: string;
  /** Shares, 0 to 1, of the values that are not missing. */
  readonly reference: number;
  readonly window: number;
}

export interface TimelineEntry {
  readonly atMs: number;
  readonly kind: "version" | "state" | "failure" | "drift" | "spec";
  readonly text: string;
}
