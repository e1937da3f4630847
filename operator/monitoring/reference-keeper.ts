import { mergeLearning } from "../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../common/drift/make-profile.ts";
import type { Profile } from "../../common/drift/profile.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { modelNameOf } from "../../common/runtime-config-of.ts";
import { driftConfigOf } from "../observed/drift-status.ts";
import type { ReplicaClient } from "../replicas/replica-client.ts";
import { inParallel } from "./in-parallel.ts";
import {
  fittingProfile,
  type LearnedReference,
  type ReferenceStore,
  type StoredReferences,
} from "./reference-store.ts";
import type { Learner, ServiceRecord } from "./service-record.ts";

export interface ReferenceKeeperOptions {
  readonly store: Pick<ReferenceStore, "read" | "write">;
  readonly client: Pick<ReplicaClient, "assignReference">;
  readonly logger: Logger;
}

/** What there is to tend. */
export interface Tended {
  readonly isvc: InferenceService;
  readonly record: Pick<ServiceRecord, "learners" | "learnedBy">;
  /** Where a replica's admin port is; undefined where it is gone. */
  readonly originOf: (podUid: string) => string | undefined;
  /** The profile with this hash that a replica counts by; undefined where it cannot be had now. */
  readonly profileOfReplicas: (hash: string) => Promise<Profile | undefined>;
}

/** So many replicas of one InferenceService are handed a reference at a time. */
const AT_A_TIME = 8;

/**
 * Makes references of what the first requests of a version looked like, keeps them, and hands them to all replicas of the version,
 * those that start later too. Only the leader has one.
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
    const learners = groupsOf(record.learners().filter(({ version }) => isServed(isvc, version)));
    const uid = isvc.metadata.uid ?? "";
    const taken = new Set<string>();
    const before = this.#taken.get(uid) ?? taken;
    if (learners.length === 0) {
      this.#taken.delete(uid);
      return;
    }
    this.#taken.set(uid, taken);
    for (const group of learners) {
      const stored = this.#stored.get(uid) ?? (await this.#options.store.read(isvc, signal));
      this.#stored.set(uid, stored);
      const known = stored.references.find(
        ({ version, digest }) => version === group.version && digest === group.digest,
      );
      const reference = known ?? (await this.#newReference(tended, group, stored, signal));
      if (reference === undefined) continue;
      // One that is asked nothing says that it learns until it is.
      const has = (learner: Learner): boolean => learner.drift.rows === 0 && before.has(takenBy(learner));
      for (const learner of group.learners.filter(has)) taken.add(takenBy(learner));
      const needy = group.learners.filter((learner) => !has(learner));
      for (const learner of await this.#assign(tended, needy, reference, signal)) taken.add(takenBy(learner));
    }
  }

  /** To be told of an InferenceService that is gone. */
  forget(uid: string): void {
    this.#stored.delete(uid);
    this.#taken.delete(uid);
  }

  /** Makes and stores it; undefined where that cannot be yet. */
  async #newReference(
    { isvc, record, profileOfReplicas }: Tended,
    { version, digest, learners }: LearnerGroup,
    stored: StoredReferences,
    signal: AbortSignal,
  ): Promise<LearnedReference | undefined> {
    // Somebody may have deleted the ConfigMap while some replicas still have what was in it.
    const hash = record.learnedBy(version, digest);
    const profile = hash === undefined ? learnedProfile(isvc, learners) : await profileOfReplicas(hash);
    if (profile === undefined) return undefined;
    const reference = { version, digest, profile };
    const kept = stored.references.filter((other) => other.version !== version && isServed(isvc, other.version));
    const uid = isvc.metadata.uid ?? "";
    this.#stored.delete(uid);
    const written = await this.#options.store.write(isvc, [...kept, reference], stored, signal);
    // Somebody was quicker: what is there now is read next time.
    if (written === undefined) return undefined;
    this.#stored.set(uid, written);
    this.#options.logger.info(
      { version, rows: profile.rows, features: profile.features.length, profile: profileHash(profile) },
      hash === undefined
        ? "the first requests of a version became its reference"
        : "a reference was found at a replica",
    );
    return reference;
  }

  /** Those that took it. */
  async #assign(
    { isvc, originOf }: Tended,
    learners: readonly Learner[],
    { version, digest, profile }: LearnedReference,
    signal: AbortSignal,
  ): Promise<Learner[]> {
    const assignment = { model: modelNameOf(isvc), version, digest, profile };
    // One that does not take it says next time that it still learns.
    const taken: Learner[] = [];
    await inParallel(learners, AT_A_TIME, async (learner) => {
      const origin = originOf(learner.podUid);
      if (origin !== undefined && (await this.#options.client.assignReference(origin, assignment, signal)))
        taken.push(learner);
    });
    return taken;
  }
}

function takenBy({ podUid, instance, version, digest }: Learner): string {
  return JSON.stringify([podUid, instance, version, digest]);
}

interface LearnerGroup {
  readonly version: number;
  readonly digest: string;
  readonly learners: readonly Learner[];
}

function groupsOf(learners: readonly Learner[]): LearnerGroup[] {
  const groups = new Map<string, Learner[]>();
  for (const learner of learners) {
    const key = JSON.stringify([learner.version, learner.digest]);
    groups.set(key, [...(groups.get(key) ?? []), learner]);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [{ version: first.version, digest: first.digest, learners: group }];
  });
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
