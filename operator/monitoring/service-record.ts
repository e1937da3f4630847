import type {
  Outcome,
  OutcomeSums,
  ReplicaDrift,
  ReplicaMonitoring,
  ReplicaVersionMonitoring,
} from "../../common/monitoring-api.ts";
import { DriftWindow, driftGrowthOf, type CountedDrift, type DriftCounts } from "./drift-window.ts";
import type { TrafficPoint } from "./monitoring-source.ts";
import { isOutdated, learningOf, UNLEARNED } from "./relearning.ts";
import { TrafficHistory } from "./traffic-history.ts";
import { growthOf, outcomeGrowthOf, outcomesTogether, sumsTogether, type VersionSums } from "./version-sums.ts";

type LearnedDrift = Extract<ReplicaDrift, { readonly state: "Learning" }>;

/** Outcomes of one replica that wait to be brought to others; as many as one tells at a time. */
const MAX_STRAYS = 1_000;

export interface ServiceRecordOptions {
  /** How often replicas are asked, in ms. */
  readonly intervalMs: number;
}

/** What is remembered of one replica. */
interface Heard {
  instance: string;
  inFlight: number;
  /** It has answered since the last interval was closed. */
  isNews: boolean;
  versions: ReadonlyMap<number, ReplicaVersionMonitoring>;
  /** The greatest number of an outcome that was brought to others. */
  lastStray: number;
  strays: readonly Outcome[];
}

/** A version, as replicas say. */
export interface RecordedVersion {
  readonly version: number;
  /** Of most of them that have loaded it. */
  readonly digest: string | undefined;
  readonly drift:
    | { readonly state: "Off" }
    | { readonly state: "Learning"; readonly rows: number }
    | {
        readonly state: "Counting";
        readonly source: CountedDrift["source"];
        /** The profile that most of them count by. */
        readonly profile: string;
        /** Rows in the window. */
        readonly windowRows: number;
        /** The window; summed up when it is asked for. */
        readonly window: () => DriftCounts;
        /** Rows that have ever come into the window. */
        readonly totalRows: number;
      };
  readonly outcomes: OutcomeSums | undefined;
}

/** A replica that waits for a reference. */
export interface Learner {
  readonly podUid: string;
  readonly instance: string;
  readonly version: number;
  readonly digest: string;
  /** The learning that it has begun. */
  readonly relearn: string;
  readonly drift: LearnedDrift;
}

/** A replica that counts a version by a reference that was learned, of a learning. */
export type LearnedCounter = Omit<Learner, "drift">;

/**
 * What is known of all replicas of one InferenceService together: sums of what each has done between two of its answers. Replicas
 * come and go, start anew, and change versions and profiles; what each did while it was asked is counted once.
 */
export class ServiceRecord {
  readonly #history: TrafficHistory;
  readonly #heard = new Map<string, Heard>();
  /** Of the interval that is not closed yet. */
  #open = new Map<number, VersionSums>();
  /** By version, then by profile. */
  readonly #windows = new Map<number, Map<string, DriftWindow>>();
  readonly #outcomes = new Map<number, OutcomeSums>();
  #closedAtMs: number | undefined;

  constructor({ intervalMs }: ServiceRecordOptions) {
    this.#history = new TrafficHistory(intervalMs);
  }

  /**
   * Takes down what a replica said of a model. `isNew`: its process began after the operator began to ask, so that
   * all that it did is news; otherwise only what follows is.
   */
  take(podUid: string, answer: ReplicaMonitoring, options: TakeOptions): void {
    const model = answer.models.find(({ name }) => name === options.model) ?? answer.models[0];
    const known = this.#heard.get(podUid);
    const before = known?.instance === answer.instance ? known : undefined;
    const isBaseline = known === undefined && !options.isNew;
    const versions = new Map((model?.versions ?? []).map((version) => [version.version, version]));
    for (const version of versions.values()) {
      const old = before?.versions.get(version.version);
      if (!isBaseline) this.#addTraffic(version, old);
      this.#addDrift(version, old, { isBaseline, windowRows: options.windowRows });
      if (version.outcomes !== undefined) {
        const growth = outcomeGrowthOf(old?.outcomes, version.outcomes);
        this.#outcomes.set(version.version, outcomesTogether(this.#outcomes.get(version.version), growth));
      }
    }
    this.#heard.set(podUid, {
      // The name of the process is one string for all of its answers.
      instance: before?.instance ?? answer.instance,
      inFlight: model?.inFlight ?? 0,
      isNews: true,
      versions,
      ...straysOf(known, before, model?.strayOutcomes ?? []),
    });
  }

  /** Forgets replicas that are gone, and what only they had. */
  keepOnly(podUids: ReadonlySet<string>): void {
    for (const uid of this.#heard.keys()) if (!podUids.has(uid)) this.#heard.delete(uid);
    const loaded = new Map<number, Set<string>>();
    for (const { versions } of this.#heard.values()) {
      for (const { version, drift } of versions.values()) {
        const profiles = loaded.get(version) ?? new Set();
        if (drift.state === "Counting") profiles.add(drift.profile);
        loaded.set(version, profiles);
      }
    }
    for (const version of this.#outcomes.keys()) if (!loaded.has(version)) this.#outcomes.delete(version);
    for (const [version, windows] of this.#windows) {
      for (const profile of windows.keys()) if (loaded.get(version)?.has(profile) !== true) windows.delete(profile);
      if (windows.size === 0) this.#windows.delete(version);
    }
  }

  /** Makes a point of what has come since the last one. The first call only begins to. */
  closeInterval(nowMs: number): void {
    const news = [...this.#heard.values()].filter(({ isNews }) => isNews);
    if (this.#closedAtMs !== undefined && nowMs > this.#closedAtMs) {
      const header = {
        atMs: nowMs,
        intervalMs: nowMs - this.#closedAtMs,
        inFlight: news.reduce((sum, { inFlight }) => sum + inFlight, 0),
        replicas: news.length,
      };
      this.#history.add(header, this.#open);
      this.#open = new Map();
    }
    this.#closedAtMs = nowMs;
    for (const heard of news) heard.isNews = false;
  }

  /** Whether any replica was heard of. */
  get isKnown(): boolean {
    return this.#heard.size > 0;
  }

  points(nowMs: number): TrafficPoint[] {
    return this.#history.points(nowMs);
  }

  /** Ascending. What belongs to another learning than `relearn` counts no more, where that is given. */
  versions(relearn?: string): RecordedVersion[] {
    const numbers = new Set([...this.#heard.values()].flatMap(({ versions }) => [...versions.keys()]));
    return [...numbers].sort((a, b) => a - b).map((version) => this.#versionOf(version, relearn));
  }

  /** Replicas that have no reference for a version yet, with its digest. */
  learners(): Learner[] {
    return [...this.#heard].flatMap(([podUid, { instance, versions }]) =>
      [...versions.values()].flatMap(({ version, digest = "", drift }) =>
        drift.state === "Learning" ? [{ podUid, instance, version, digest, relearn: learningOf(drift), drift }] : [],
      ),
    );
  }

  /** Replicas that count by a reference that was learned. */
  learnedCounters(): LearnedCounter[] {
    return [...this.#heard].flatMap(([podUid, { instance, versions }]) =>
      [...versions.values()].flatMap(({ version, digest = "", drift }) =>
        drift.state === "Counting" && drift.source === "Learned"
          ? [{ podUid, instance, version, digest, relearn: learningOf(drift) }]
          : [],
      ),
    );
  }

  /** Versions that replicas count by a profile that was published with them. */
  publishedVersions(): ReadonlySet<number> {
    const all = [...this.#heard.values()].flatMap(({ versions }) => [...versions.values()]);
    return new Set(
      all.flatMap(({ version, drift }) =>
        drift.state === "Counting" && drift.source === "Published" ? [version] : [],
      ),
    );
  }

  /** Replicas that count by a profile: any of them can tell it. */
  countersBy(profile: string): string[] {
    return [...this.#heard].flatMap(([podUid, { versions }]) =>
      [...versions.values()].some(({ drift }) => drift.state === "Counting" && drift.profile === profile)
        ? [podUid]
        : [],
    );
  }

  /** Profile of a learning by which a replica counts a version with a digest; undefined where none does. */
  learnedBy(version: number, digest: string, relearn = ""): string | undefined {
    for (const { versions } of this.#heard.values()) {
      const { drift, digest: own = "" } = versions.get(version) ?? {};
      if (drift?.state !== "Counting" || drift.source !== "Learned" || own !== digest) continue;
      if (learningOf(drift) === relearn) return drift.profile;
    }
    return undefined;
  }

  /** Outcomes that have come since this was called last, whose predictions the replica does not know. */
  takeStrays(): { readonly podUid: string; readonly outcomes: readonly Outcome[] }[] {
    const all = [...this.#heard]
      .filter(([, { strays }]) => strays.length > 0)
      .map(([podUid, { strays }]) => ({ podUid, outcomes: strays }));
    for (const heard of this.#heard.values()) heard.strays = [];
    return all;
  }

  #addTraffic(version: ReplicaVersionMonitoring, old: ReplicaVersionMonitoring | undefined): void {
    const growth = growthOf(old, version);
    this.#open.set(version.version, sumsTogether(this.#open.get(version.version), growth));
  }

  #addDrift(
    { version, drift }: ReplicaVersionMonitoring,
    old: ReplicaVersionMonitoring | undefined,
    { isBaseline, windowRows }: { readonly isBaseline: boolean; readonly windowRows: number },
  ): void {
    if (drift.state !== "Counting") return;
    const windows = this.#windows.get(version) ?? new Map<string, DriftWindow>();
    this.#windows.set(version, windows);
    const window = windows.get(drift.profile) ?? new DriftWindow(drift.features.map(({ counts }) => counts.length));
    windows.set(drift.profile, window);
    if (isBaseline) return;
    window.add(driftGrowthOf(old?.drift.state === "Counting" ? old.drift : undefined, drift), windowRows);
  }

  #versionOf(version: number, relearn: string | undefined): RecordedVersion {
    const all = [...this.#heard.values()].flatMap(({ versions }) => versions.get(version) ?? []);
    const drifts = all.map(({ drift }) => (isOutdated(drift, relearn) ? UNLEARNED : drift));
    return {
      version,
      digest: commonest(all.map(({ digest }) => digest).filter((digest) => digest !== undefined)),
      drift: this.#driftOf(version, drifts),
      outcomes: this.#outcomes.get(version),
    };
  }

  #driftOf(version: number, drifts: readonly ReplicaDrift[]): RecordedVersion["drift"] {
    const counting = drifts.filter((drift) => drift.state === "Counting");
    const profile = commonest(counting.map((drift) => drift.profile));
    const first = counting.find((drift) => drift.profile === profile);
    if (profile !== undefined && first !== undefined) {
      const window = this.#windows.get(version)?.get(profile);
      return {
        state: "Counting",
        source: first.source,
        profile,
        windowRows: window?.rows ?? 0,
        window: () => window?.counts() ?? { rows: 0, features: [] },
        totalRows: window?.totalRows ?? 0,
      };
    }
    const learning = drifts.flatMap((drift) => (drift.state === "Learning" ? [drift.rows] : []));
    if (learning.length === 0) return { state: "Off" };
    return { state: "Learning", rows: learning.reduce((sum, rows) => sum + rows, 0) };
  }
}

/** What is to be brought to others: what was before, and what has a greater number than all that the process told before. */
function straysOf(
  known: Heard | undefined,
  before: Heard | undefined,
  told: ReplicaMonitoring["models"][number]["strayOutcomes"],
): Pick<Heard, "strays" | "lastStray"> {
  const lastStray = before?.lastStray ?? -1;
  const fresh = told.filter(({ number }) => number > lastStray);
  const waiting = [...(known?.strays ?? []), ...fresh.map(({ requestId, values }) => ({ requestId, values }))];
  return {
    strays: waiting.slice(-MAX_STRAYS),
    lastStray: fresh.reduce((greatest, { number }) => Math.max(greatest, number), lastStray),
  };
}

/** How an answer is to be taken. */
export interface TakeOptions {
  /** Name of the model. */
  readonly model: string;
  readonly isNew: boolean;
  /** Rows that are compared with the reference. */
  readonly windowRows: number;
}

/** What most of them are; of several, the first in their order. */
function commonest(words: readonly string[]): string | undefined {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const [first] = [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return first?.[0];
}
