import { expect, test } from "vitest";
import { createLogger } from "../../../../common/logger.ts";
import { mergeLearning, writeLearning } from "../../../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../../../common/drift/make-profile.ts";
import { NumericSketch } from "../../../../common/drift/numeric-sketch.ts";
import type { Profile } from "../../../../common/drift/profile.ts";
import type { InferenceServiceStatus } from "../../../../common/inferenceservice.gen.ts";
import type { ReferenceAssignment } from "../../../../common/monitoring-api.ts";
import { ReferenceKeeper } from "../../../../operator/monitoring/reference-keeper.ts";
import {
  fittingProfile,
  type LearnedReference,
  type StoredReferences,
} from "../../../../operator/monitoring/reference-store.ts";
import type { Learner } from "../../../../operator/monitoring/service-record.ts";
import { inferenceService } from "../fixtures.ts";

const NEVER = new AbortController().signal;

function learner(podUid: string, rows: number, more: Partial<Learner> = {}): Learner {
  const sketch = new NumericSketch(false);
  for (let row = 0; row < rows; row++) sketch.add(row + podUid.length / 10);
  const features = writeLearning([{ name: "x", side: "input", sketch }]);
  return { podUid, instance: podUid, version: 2, digest: "d", drift: { state: "Learning", rows, features }, ...more };
}

/** A keeper over a store and replicas that tests change. */
class Bench {
  status: InferenceServiceStatus = { activeVersion: 2, previousVersion: 1 };
  learners: Learner[] = [];
  /** What a replica counts by already. */
  learned: Profile | undefined;
  stored: readonly LearnedReference[] | undefined;
  resourceVersion = 0;
  reads = 0;
  isQuicker = false;
  handed: (ReferenceAssignment & { readonly origin: string })[] = [];
  readonly keeper = new ReferenceKeeper({
    store: {
      read: () => {
        this.reads++;
        return Promise.resolve(this.#asStored());
      },
      write: (_isvc, references, before) => {
        if (this.isQuicker || before.resourceVersion !== this.#asStored().resourceVersion) {
          this.isQuicker = false;
          return Promise.resolve(undefined);
        }
        this.stored = references;
        this.resourceVersion++;
        return Promise.resolve(this.#asStored());
      },
    },
    client: {
      assignReference: (origin, assignment) => {
        this.handed.push({ ...assignment, origin });
        return Promise.resolve(true);
      },
    },
    logger: createLogger({ name: "operator", level: "silent" }),
  });

  #asStored(): StoredReferences {
    const { stored, resourceVersion } = this;
    return { references: stored ?? [], resourceVersion: stored === undefined ? undefined : String(resourceVersion) };
  }

  async tend(drift: object = {}): Promise<string[]> {
    this.handed = [];
    const isvc = inferenceService(
      { monitoring: { drift: { enabled: true, referenceRows: 1_000, windowRows: 2_000, threshold: 0.1, ...drift } } },
      { status: this.status },
    );
    await this.keeper.tend(
      {
        isvc,
        record: {
          learners: () => this.learners,
          learnedBy: () => (this.learned === undefined ? undefined : profileHash(this.learned)),
        },
        originOf: (podUid) => (podUid === "gone" ? undefined : `http://${podUid}`),
        profileOfReplicas: () => Promise.resolve(this.learned),
      },
      NEVER,
    );
    return this.handed.map(({ origin, version }) => `${origin} ${version}`).toSorted();
  }
}

test("makes a reference when so many rows have come to all replicas together, and hands it to each", async () => {
  const bench = new Bench();
  bench.learners = [learner("a", 600), learner("bb", 399)];
  expect([await bench.tend(), bench.stored]).toEqual([[], undefined]);
  const [one, two] = [learner("a", 600), learner("bb", 400)];
  bench.learners = [one, two];
  expect(await bench.tend()).toEqual(["http://a 2", "http://bb 2"]);
  const expected = profileOf(mergeLearning(one.drift.features, two.drift.features), 1_000);
  expect(bench.stored).toEqual([{ version: 2, digest: "d", profile: expected }]);
  expect(bench.handed.map(({ profile, model }) => [model, profile])).toEqual([
    ["digits", expected],
    ["digits", expected],
  ]);
});

test("hands what is stored to replicas that start later, and asks the API server once", async () => {
  const bench = new Bench();
  const profile = profileOf(learner("a", 1_000).drift.features, 1_000);
  bench.stored = [{ version: 2, digest: "d", profile }];
  bench.learners = [learner("a", 5), learner("gone", 5)];
  expect(await bench.tend()).toEqual(["http://a 2"]);
  bench.learners = [learner("c", 0)];
  expect(await bench.tend()).toEqual(["http://c 2"]);
  expect([bench.reads, bench.resourceVersion]).toEqual([1, 0]);
});

test("hands a replica that is asked nothing its reference once for each of its processes", async () => {
  const bench = new Bench();
  bench.stored = [{ version: 2, digest: "d", profile: profileOf(learner("a", 1_000).drift.features, 1_000) }];
  bench.learners = [learner("a", 0), learner("bb", 3)];
  expect(await bench.tend()).toEqual(["http://a 2", "http://bb 2"]);
  expect(await bench.tend()).toEqual(["http://bb 2"]);
  bench.learners = [learner("a", 0, { instance: "another" })];
  expect(await bench.tend()).toEqual(["http://a 2"]);
  expect(await bench.tend()).toEqual([]);
});

test("other files are another version: they get a reference of their own, and the old one is dropped", async () => {
  const bench = new Bench();
  const profile = profileOf(learner("a", 1_000).drift.features, 1_000);
  bench.stored = [
    { version: 0, digest: "z", profile },
    { version: 1, digest: "d", profile },
    { version: 2, digest: "other", profile },
  ];
  bench.learners = [learner("a", 10)];
  expect(await bench.tend()).toEqual([]);
  bench.learners = [learner("a", 1_000)];
  expect(await bench.tend()).toEqual(["http://a 2"]);
  // Of the version that answers and of the one before it.
  expect(bench.stored?.map(({ version, digest }) => [version, digest])).toEqual([
    [1, "d"],
    [2, "d"],
  ]);
});

test("learns of no version that does not answer, and of none where drift is off", async () => {
  const bench = new Bench();
  bench.learners = [learner("a", 5_000, { version: 3 })];
  expect([await bench.tend(), bench.reads]).toEqual([[], 0]);
  bench.learners = [learner("a", 5_000)];
  expect([await bench.tend({ enabled: false }), bench.reads]).toEqual([[], 0]);
});

test("takes what a replica counts by already, before it makes another one", async () => {
  const bench = new Bench();
  bench.learned = profileOf(learner("a", 1_000).drift.features, 1_000);
  bench.learners = [learner("b", 4_000)];
  expect(await bench.tend()).toEqual(["http://b 2"]);
  expect(bench.stored?.[0]?.profile).toBe(bench.learned);
});

test("where somebody else was quicker, hands over nothing before it has read what is there", async () => {
  const bench = new Bench();
  bench.learners = [learner("a", 1_000)];
  bench.isQuicker = true;
  expect(await bench.tend()).toEqual([]);
  expect(await bench.tend()).toEqual(["http://a 2"]);
  expect(bench.reads).toBe(2);
});

test("a profile that is too large for its place is cut to the features that fit", () => {
  const [feature] = profileOf(learner("a", 1_000).drift.features, 1_000).features;
  if (feature === undefined) throw new Error("no feature");
  const features = Array.from({ length: 512 }, (_, index) => ({ ...feature, name: `x[${index}]` }));
  const profile: Profile = { formatVersion: 1, rows: 1_000, features };
  expect(fittingProfile(profile)).toBe(profile);
  const cut = fittingProfile(profile, 50_000);
  expect(JSON.stringify(cut).length).toBeLessThanOrEqual(50_000);
  expect(cut.features.length).toBeGreaterThan(50);
  expect(cut.features).toEqual(features.slice(0, cut.features.length));
});
