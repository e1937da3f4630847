import { assessDrift, type ProfileDrift } from "../../common/drift/assess-drift.ts";
import type { Profile } from "../../common/drift/profile.ts";
import type { InferenceService, StatusDrift } from "../../common/inferenceservice.gen.ts";
import type { DriftConfig } from "../../common/runtime-config.ts";
import { driftConfigOf, relearnOf } from "../observed/drift-status.ts";
import { currentDrift, nextReport, type DriftReport } from "./drift-report.ts";
import { isWorthALook, leastRows, NO_VERDICT, nextVerdict, type Verdict } from "./drift-verdict.ts";
import type { DriftAssessment, ServiceMonitoring, VersionMonitoring } from "./monitoring-source.ts";
import { ServiceRecord, type RecordedVersion } from "./service-record.ts";

const DAY_MS = 86_400_000;

/** What was found of a version the last time that its window was looked at. */
interface Judged {
  readonly profile: string;
  readonly verdict: Verdict;
  /** Rows that had come then. */
  readonly totalRows: number;
  readonly found: ProfileDrift | undefined;
}

type Counting = Extract<RecordedVersion["drift"], { readonly state: "Counting" }>;

/** What is known of one InferenceService, and what is made of it. */
export class ServiceWatch {
  readonly record: ServiceRecord;
  readonly #intervalMs: number;
  /** By hash: of profiles that replicas count by. */
  readonly #profiles = new Map<string, Profile>();
  readonly #judged = new Map<number, Judged>();
  #versions: readonly VersionMonitoring[] = [];
  /** Hashes of profiles that replicas count by. */
  #counted: ReadonlySet<string> = new Set();
  #report: DriftReport | undefined;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
    this.record = new ServiceRecord({ intervalMs });
  }

  /** Looks at what has come. Whether the status has something else to say than before. */
  judge(isvc: InferenceService, nowMs: number): boolean {
    const config = driftConfigOf(isvc.spec.predictor);
    const recorded = this.record.versions(relearnOf(isvc));
    this.#keepOnly(recorded);
    this.#versions = recorded.map(({ version, digest, drift, outcomes }) => ({
      version,
      digest,
      outcomes,
      drift: !config.enabled
        ? { state: "Off" }
        : drift.state === "Learning"
          ? { state: "Learning", rows: drift.rows, wantedRows: config.referenceRows }
          : drift.state === "Off"
            ? drift
            : this.#assess(isvc, version, drift, config),
    }));
    const active = isvc.status?.activeVersion ?? recorded.at(-1)?.version;
    const watched = this.#versions.find(({ version }) => version === active);
    // Nobody has it loaded, or nobody was heard of: there is nothing new to say.
    if (watched === undefined) return false;
    const before = this.#report ?? { drift: isvc.status?.drift, atMs: nowMs };
    const next = nextReport(before, currentDrift(watched), nowMs);
    const isNews = next !== before;
    this.#report = next;
    return isNews;
  }

  /** What the status is to say of drift. */
  get report(): StatusDrift | "Unknown" | undefined {
    return this.#report === undefined ? "Unknown" : this.#report.drift;
  }

  /** Versions as they were judged last, ascending. */
  get versions(): readonly VersionMonitoring[] {
    return this.#versions;
  }

  /**
   * Undefined before any replica was heard of. `nowMs` is of the clock that intervals were closed by; the view is in the time of
   * `wallMs`, so that the past of an hour ago stays that when the wall clock is set.
   */
  view({ nowMs, wallMs }: { readonly nowMs: number; readonly wallMs: number }): ServiceMonitoring | undefined {
    const points = this.record
      .points(nowMs)
      .map((point) => ({ ...point, atMs: Math.round(point.atMs - nowMs + wallMs) }));
    if (points.length === 0 && !this.record.isKnown) return undefined;
    return { points, versions: this.#versions };
  }

  /** Hashes of profiles that replicas count by and that are not known yet. */
  unknownProfiles(): string[] {
    return [...this.#counted].filter((hash) => !this.#profiles.has(hash));
  }

  profile(hash: string): Profile | undefined {
    return this.#profiles.get(hash);
  }

  addProfile(hash: string, profile: Profile): void {
    this.#profiles.set(hash, profile);
  }

  #assess(isvc: InferenceService, version: number, drift: Counting, config: DriftConfig): DriftAssessment {
    const { source, windowRows: rows } = drift;
    const { verdict, found } = this.#judge(isvc, version, drift, config);
    if (found === undefined) return { state: "Waiting", source, referenceRows: 0, windowRows: rows, features: [] };
    const { referenceRows, windowRows, features } = found;
    const state = found.state === "Waiting" ? "Waiting" : verdict.state;
    return { state, source, referenceRows, windowRows, features };
  }

  #judge(isvc: InferenceService, version: number, drift: Counting, config: DriftConfig): Judged {
    const { profile: hash, window, totalRows } = drift;
    const { threshold, windowRows } = config;
    const known = this.#judged.get(version);
    const before =
      known?.profile === hash
        ? known
        : {
            profile: hash,
            verdict: known === undefined ? verdictOf(isvc, version) : NO_VERDICT,
            totalRows: 0,
            found: undefined,
          };
    const profile = this.#profiles.get(hash);
    const isDue = before.found === undefined || isWorthALook(before.verdict, totalRows - before.totalRows, windowRows);
    if (profile === undefined || !isDue) return before;
    const found = assessDrift(profile, window(), {
      threshold,
      minRows: leastRows(windowRows),
      assessmentsPerDay: DAY_MS / this.#intervalMs,
    });
    const judged = { profile: hash, verdict: nextVerdict(before.verdict, found.state), totalRows, found };
    this.#judged.set(version, judged);
    return judged;
  }

  /** Forgets versions and profiles that no replica has any more. */
  #keepOnly(recorded: readonly RecordedVersion[]): void {
    const versions = new Set(recorded.map(({ version }) => version));
    for (const version of this.#judged.keys()) if (!versions.has(version)) this.#judged.delete(version);
    this.#counted = new Set(recorded.flatMap(({ drift }) => (drift.state === "Counting" ? [drift.profile] : [])));
    for (const hash of this.#profiles.keys()) if (!this.#counted.has(hash)) this.#profiles.delete(hash);
  }
}

/** What an operator before this one has found. */
function verdictOf({ status }: InferenceService, version: number): Verdict {
  const { drift } = status ?? {};
  if (drift?.version !== version || drift.state === "Learning") return NO_VERDICT;
  return { state: drift.state, against: 0 };
}
