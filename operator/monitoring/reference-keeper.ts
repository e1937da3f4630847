import { mergeLearning } from "../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../common/drift/make-profile.ts";
import type { Profile } from "../../common/drift/profile.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { modelNameOf } from "../../common/runtime-config-of.ts";
import type { ReferenceAssignment } from "../../common/monitoring-api.ts";
import { contentHash } from "../desired/content-hash.ts";
import type { Cluster, ClusterEvent } from "../kube/cluster.ts";
import { driftConfigOf, relearnOf } from "../observed/drift-status.ts";
import type { ReplicaClient } from "../replicas/replica-client.ts";
import { inParallel } from "./in-parallel.ts";
import {
  fittingProfile,
  type LearnedReference,
  type ReferenceStore,
  type StoredReferences,
} from "./reference-store.ts";
import type { LearnedCounter, Learner, ServiceRecord } from "./service-record.ts";

export interface ReferenceKeeperOptions {
  readonly store: Pick<ReferenceStore, "read" | "write">;
  readonly client: Pick<ReplicaClient, "assignReference">;
  readonly events: Pick<Cluster, "createEvent">;
  readonly logger: Logger;
}

/** What there is to tend. */
export interface Tended {
  readonly isvc: InferenceService;
  readonly record: Pick<ServiceRecord, "learners" | "learnedCounters" | "learnedBy" | "publishedVersions">;
  /** Where a replica's admin port is; undefined where it is gone. */
  readonly originOf: (podUid: string) => string | undefined;
  /** The profile with this hash that a replica counts by; undefined where it cannot be had now. */
  readonly profileOfReplicas: (hash: string) => Promise<Profile | undefined>;
}

/** So many replicas of one InferenceService are handed a reference at a time. */
const AT_A_TIME = 8;

/**
 * Makes references of what the first requests of a version looked like, keeps them, and hands them to all replicas of the version,
 * those that start later too. Drops them where somebody asks for that, and makes others of what comes from then on. Only the
 * leader has one.
 */
export class ReferenceKeeper {
  readonly #options: ReferenceKeeperOptions;
  /** What is stored, by uid of the InferenceService; read when a replica first asks for a reference. */
  readonly #stored = new Map<string, StoredReferences>();
  /** By uid of the InferenceService: what replicas took that are asked nothing, and so do not count by it yet. */
  readonly #taken = new Map<string, ReadonlySet<string>>();

  constructor(options: ReferenceKeeperOptions) {
    this.#options = options;
  }

  /** Looks after one InferenceService. Throws what the API server's troubles throw; to be called again later. */
  async tend(tended: Tended, signal: AbortSignal): Promise<void> {
    const { isvc, record } = tended;
    if (!driftConfigOf(isvc.spec.predictor).enabled) return;
    const learners = record.learners().filter(({ version }) => isServed(isvc, version));
    const asked = relearnOf(isvc);
    const uid = isvc.metadata.uid ?? "";
    const taken = new Set<string>();
    const before = this.#taken.get(uid) ?? taken;
    if (learners.length === 0) this.#taken.delete(uid);
    else this.#taken.set(uid, taken);
    if (learners.length === 0 && asked === undefined) return;
    const counters = record.learnedCounters().filter(({ version }) => isServed(isvc, version));
    const kept = await this.#read(isvc, signal);
    if (asked !== undefined && kept.relearn !== asked && !(await this.#drop(tended, asked, kept, signal))) return;
    // Without the annotation the last learning goes on, also where somebody has deleted the ConfigMap.
    const relearn = asked ?? kept.relearn ?? counters[0]?.relearn ?? "";
    const outdated = counters.filter((counter) => counter.relearn !== relearn);
    for (const group of groupsOf(learners, outdated)) {
      const reference = await this.#referenceOf(tended, group, relearn, signal);
      // One that is asked nothing says that it learns until it is.
      const has = (learner: Learner): boolean => learner.drift.rows === 0 && before.has(takenBy(learner, relearn));
      for (const learner of group.learners.filter(has)) taken.add(takenBy(learner, relearn));
      const needy = [...group.learners.filter((learner) => !has(learner)), ...group.outdated];
      const addressed = reference === undefined ? needy.filter((each) => each.relearn !== relearn) : needy;
      const { version, digest } = group;
      const assignment = { version, digest, relearn, ...(reference !== undefined && { profile: reference.profile }) };
      const took = await this.#assign(tended, addressed, assignment, signal);
      if (reference !== undefined) for (const each of took) taken.add(takenBy(each, relearn));
    }
  }

  /** To be told of an InferenceService that is gone. */
  forget(uid: string): void {
    this.#stored.delete(uid);
    this.#taken.delete(uid);
  }

  async #read(isvc: InferenceService, signal: AbortSignal): Promise<StoredReferences> {
    const uid = isvc.metadata.uid ?? "";
    const stored = this.#stored.get(uid) ?? (await this.#options.store.read(isvc, signal));
    this.#stored.set(uid, stored);
    return stored;
  }

  /** False: somebody was quicker: what is there now is read next time. */
  async #write(
    isvc: InferenceService,
    next: Pick<StoredReferences, "references" | "relearn">,
    before: StoredReferences,
    signal: AbortSignal,
  ): Promise<boolean> {
    const uid = isvc.metadata.uid ?? "";
    this.#stored.delete(uid);
    const written = await this.#options.store.write(isvc, next, before, signal);
    if (written === undefined) return false;
    this.#stored.set(uid, written);
    return true;
  }

  /** Drops all that was learned, for the learning that was asked for; false where that is to be tried again. */
  async #drop(
    { isvc, record }: Tended,
    relearn: string,
    stored: StoredReferences,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { events, logger } = this.#options;
    try {
      // Before it is written, or an operator that ends in between would never tell. Told twice it is one event.
      await events.createEvent(relearnEvent(isvc, relearn, record.publishedVersions()), signal);
    } catch (err) {
      signal.throwIfAborted();
      logger.warn({ err }, "the event of a reference that is learned anew was refused");
    }
    if (!(await this.#write(isvc, { references: [], relearn }, stored, signal))) return false;
    logger.info({ relearn, dropped: stored.references.length }, "the references that were learned are learned anew");
    return true;
  }

  /** The one that is stored, or a new one; undefined where there is too little for it yet. */
  async #referenceOf(
    tended: Tended,
    group: LearnerGroup,
    relearn: string,
    signal: AbortSignal,
  ): Promise<LearnedReference | undefined> {
    const stored = await this.#read(tended.isvc, signal);
    const known = stored.references.find(({ version, digest }) => version === group.version && digest === group.digest);
    return known ?? (await this.#newReference(tended, group, { ...stored, relearn }, signal));
  }

  /** Makes and stores it; undefined where that cannot be yet. */
  async #newReference(
    { isvc, record, profileOfReplicas }: Tended,
    { version, digest, learners }: LearnerGroup,
    stored: StoredReferences & { readonly relearn: string },
    signal: AbortSignal,
  ): Promise<LearnedReference | undefined> {
    const { relearn } = stored;
    // Somebody may have deleted the ConfigMap while some replicas still have what was in it.
    const hash = record.learnedBy(version, digest, relearn);
    const ofThisLearning = learners.filter((learner) => learner.relearn === relearn);
    const profile = hash === undefined ? learnedProfile(isvc, ofThisLearning) : await profileOfReplicas(hash);
    if (profile === undefined) return undefined;
    const reference = { version, digest, profile };
    const kept = stored.references.filter((other) => other.version !== version && isServed(isvc, other.version));
    const next = { references: [...kept, reference], relearn: relearn === "" ? undefined : relearn };
    if (!(await this.#write(isvc, next, stored, signal))) return undefined;
    this.#options.logger.info(
      { version, rows: profile.rows, features: profile.features.length, profile: profileHash(profile) },
      hash === undefined
        ? "the first requests of a version became its reference"
        : "a reference was found at a replica",
    );
    return reference;
  }

  /** Those that took it. */
  async #assign<T extends LearnedCounter>(
    { isvc, originOf }: Tended,
    replicas: readonly T[],
    assignment: Omit<ReferenceAssignment, "model">,
    signal: AbortSignal,
  ): Promise<T[]> {
    const brought = { model: modelNameOf(isvc), ...assignment };
    // One that does not take it says next time what it still does.
    const taken: T[] = [];
    await inParallel(replicas, AT_A_TIME, async (replica) => {
      const origin = originOf(replica.podUid);
      if (origin !== undefined && (await this.#options.client.assignReference(origin, brought, signal)))
        taken.push(replica);
    });
    return taken;
  }
}

function takenBy({ podUid, instance, version, digest }: LearnedCounter, relearn: string): string {
  return JSON.stringify([podUid, instance, version, digest, relearn]);
}

/** Replicas with the same files of a version. */
interface LearnerGroup {
  readonly version: number;
  readonly digest: string;
  readonly learners: readonly Learner[];
  /** They count by a reference of a learning before. */
  readonly outdated: readonly LearnedCounter[];
}

function groupsOf(learners: readonly Learner[], outdated: readonly LearnedCounter[]): LearnerGroup[] {
  const keyOf = ({ version, digest }: LearnedCounter): string => JSON.stringify([version, digest]);
  const learnersBy = Map.groupBy(learners, keyOf);
  const outdatedBy = Map.groupBy(outdated, keyOf);
  const firsts = new Map([...outdated, ...learners].map((each) => [keyOf(each), each]));
  return Array.from(firsts, ([key, { version, digest }]) => ({
    version,
    digest,
    learners: learnersBy.get(key) ?? [],
    outdated: outdatedBy.get(key) ?? [],
  }));
}

function relearnEvent(isvc: InferenceService, relearn: string, published: ReadonlySet<number>): ClusterEvent {
  const { name, uid } = isvc.metadata;
  const { referenceRows } = driftConfigOf(isvc.spec.predictor);
  const { activeVersion } = isvc.status ?? {};
  const dropped = "what was learned of the data is dropped";
  return {
    name: `${name}.${contentHash({ uid, reason: "RelearningReference", relearn })}`,
    regarding: isvc,
    type: "Normal",
    reason: "RelearningReference",
    action: "Relearn",
    note:
      activeVersion !== undefined && published.has(activeVersion)
        ? `version ${activeVersion} is measured against the profile that was published with it, which stays; of others ${dropped}`
        : `${dropped}: the next ${referenceRows} rows become the reference; profiles that were published with a version stay`,
  };
}

/** Whether requests that name no version may get to a version: it answers them, or did before. */
function isServed({ status }: InferenceService, version: number): boolean {
  if (status?.activeVersion === undefined) return true;
  return version === status.activeVersion || version === status.previousVersion;
}

/** Undefined while too few rows have come. */
function learnedProfile(isvc: InferenceService, learners: readonly Learner[]): Profile | undefined {
  const rows = learners.reduce((sum, { drift }) => sum + drift.rows, 0);
  const [first, ...others] = learners;
  if (first === undefined || rows < driftConfigOf(isvc.spec.predictor).referenceRows) return undefined;
  const features = others.reduce((sum, { drift }) => mergeLearning(sum, drift.features), [...first.drift.features]);
  return fittingProfile(profileOf(features, rows));
}
