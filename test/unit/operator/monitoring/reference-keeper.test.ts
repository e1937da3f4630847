import { describe, expect, test } from "vitest";
import { createLogger } from "../../../../common/logger.ts";
import { mergeLearning, writeLearning } from "../../../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../../../common/drift/make-profile.ts";
import { NumericSketch } from "../../../../common/drift/numeric-sketch.ts";
import type { Profile } from "../../../../common/drift/profile.ts";
import type { InferenceServiceStatus } from "../../../../common/inferenceservice.gen.ts";
import type { ReferenceAssignment } from "../../../../common/monitoring-api.ts";
import { RELEARN_ANNOTATION } from "../../../../operator/api/names.ts";
import type { ClusterEvent } from "../../../../operator/kube/cluster.ts";
import { ReferenceKeeper } from "../../../../operator/monitoring/reference-keeper.ts";
import {
  fittingProfile,
  type LearnedReference,
  type StoredReferences,
} from "../../../../operator/monitoring/reference-store.ts";
import type { LearnedCounter, Learner } from "../../../../operator/monitoring/service-record.ts";
import { relearnOf } from "../../../../operator/observed/drift-status.ts";
import { inferenceService } from "../fixtures.ts";

const NEVER = new AbortController().signal;

function learner(podUid: string, rows: number, more: Partial<Learner> = {}): Learner {
  const sketch = new NumericSketch(false);
  for (let row = 0; row < rows; row++) sketch.add(row + podUid.length / 10);
  const features = writeLearning([{ name: "x", side: "input", sketch }]);
  const drift = { state: "Learning", rows, features } as const;
  return { podUid, instance: podUid, version: 2, digest: "d", relearn: "", drift, ...more };
}

/** A word for the learning that a value of the annotation asks for. */
function word(value: string): string {
  return relearnOf(inferenceService({}, { annotations: { [RELEARN_ANNOTATION]: value } })) ?? "";
}

/** A keeper over a store and replicas that tests change. */
class Bench {
  status: InferenceServiceStatus = { activeVersion: 2, previousVersion: 1 };
  learners: Learner[] = [];
  /** Replicas that count by a reference that was learned. */
  counters: LearnedCounter[] = [];
  /** What a replica counts by already. */
  learned: Profile | undefined;
  /** The learning that this is of. */
  learnedOf = "";
  published: readonly number[] = [];
  /** The value of the annotation. */
  annotation: string | undefined;
  events: ClusterEvent[] = [];
  stored: readonly LearnedReference[] | undefined;
  relearn: string | undefined;
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
      write: (_isvc, { references, relearn }, before) => {
        if (this.isQuicker || before.resourceVersion !== this.#asStored().resourceVersion) {
          this.isQuicker = false;
          return Promise.resolve(undefined);
        }
        this.stored = references;
        this.relearn = relearn;
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
    events: {
      createEvent: (event) => {
        this.events.push(event);
        return Promise.resolve({ kind: "created" });
      },
    },
    logger: createLogger({ name: "operator", level: "silent" }),
  });

  #asStored(): StoredReferences {
    const { stored, relearn, resourceVersion } = this;
    return {
      references: stored ?? [],
      relearn,
      resourceVersion: stored === undefined ? undefined : String(resourceVersion),
    };
  }

  async tend(drift: object = {}): Promise<string[]> {
    this.handed = [];
    const { annotation } = this;
    const isvc = inferenceService(
      { monitoring: { drift: { enabled: true, referenceRows: 1_000, windowRows: 2_000, threshold: 0.1, ...drift } } },
      { status: this.status, ...(annotation !== undefined && { annotations: { [RELEARN_ANNOTATION]: annotation } }) },
    );
    await this.keeper.tend(
      {
        isvc,
        record: {
          learners: () => this.learners,
          learnedCounters: () => this.counters,
          learnedBy: (_version, _digest, relearn) =>
            this.learned === undefined || relearn !== this.learnedOf ? undefined : profileHash(this.learned),
          publishedVersions: () => new Set(this.published),
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

describe("where somebody asks for it by the annotation", () => {
  const OLD = profileOf(learner("old", 1_000).drift.features, 1_000);
  /** Of a version that all replicas count by a reference that was learned. */
  function counted(): Bench {
    const bench = new Bench();
    bench.stored = [
      { version: 1, digest: "d", profile: OLD },
      { version: 2, digest: "d", profile: OLD },
    ];
    bench.learned = OLD;
    bench.counters = ["a", "bb"].map((podUid) => counter(podUid, ""));
    return bench;
  }
  function counter(podUid: string, relearn: string): LearnedCounter {
    const { drift: _drift, ...rest } = learner(podUid, 0, { relearn });
    return rest;
  }
  const told = (bench: Bench): unknown[] =>
    bench.handed.map(({ origin, relearn, profile }) => [origin, relearn, profile === undefined ? "anew" : "reference"]);

  test("drops what was learned, tells so once, and has all replicas begin anew", async () => {
    const bench = counted();
    bench.annotation = "monday";
    await bench.tend();
    expect([bench.stored, bench.relearn]).toEqual([[], word("monday")]);
    expect(told(bench)).toEqual([
      ["http://a", word("monday"), "anew"],
      ["http://bb", word("monday"), "anew"],
    ]);
    expect(bench.events).toMatchObject([
      {
        type: "Normal",
        reason: "RelearningReference",
        note: "what was learned of the data is dropped: the next 1000 rows become the reference; profiles that were published with a version stay",
      },
    ]);
    // One has not been heard of since: it is told again, and the API server nothing.
    bench.counters = [counter("bb", "")];
    bench.learners = [learner("a", 5, { relearn: word("monday") })];
    await bench.tend();
    expect(told(bench)).toEqual([["http://bb", word("monday"), "anew"]]);
    expect([bench.events.length, bench.resourceVersion, bench.reads]).toEqual([1, 1, 1]);
  });

  test("makes the reference of what came since then alone, and brings it to those that are late", async () => {
    const bench = counted();
    bench.annotation = "monday";
    await bench.tend();
    bench.counters = [];
    const [one, two] = ["a", "bb"].map((podUid) => learner(podUid, 500, { relearn: word("monday") })) as [
      Learner,
      Learner,
    ];
    const before = learner("ccc", 5_000);
    bench.learners = [one, before];
    expect(await bench.tend()).toEqual(["http://ccc 2"]);
    expect(told(bench)).toEqual([["http://ccc", word("monday"), "anew"]]);
    bench.learners = [one, two, before];
    bench.counters = [counter("dddd", "")];
    expect(await bench.tend()).toEqual(["http://a 2", "http://bb 2", "http://ccc 2", "http://dddd 2"]);
    const profile = profileOf(mergeLearning(one.drift.features, two.drift.features), 1_000);
    expect(bench.stored).toEqual([{ version: 2, digest: "d", profile }]);
    expect(bench.relearn).toBe(word("monday"));
    expect(new Set(bench.handed.map(({ relearn }) => relearn))).toEqual(new Set([word("monday")]));
  });

  test("does nothing again for the same value, also after a restart, nor where the annotation goes", async () => {
    const bench = counted();
    bench.relearn = word("monday");
    bench.counters = [counter("a", word("monday"))];
    for (const annotation of ["monday", undefined]) {
      bench.annotation = annotation;
      expect(await bench.tend()).toEqual([]);
    }
    bench.learners = [learner("bb", 3)];
    expect(await bench.tend()).toEqual(["http://bb 2"]);
    expect(told(bench)).toEqual([["http://bb", word("monday"), "reference"]]);
    expect([bench.events.length, bench.resourceVersion]).toEqual([0, 0]);
  });

  test("takes the reference of that learning from replicas, where the ConfigMap is gone", async () => {
    const bench = counted();
    bench.stored = undefined;
    bench.learnedOf = word("monday");
    bench.counters = [counter("a", word("monday"))];
    bench.learners = [learner("bb", 3)];
    await bench.tend();
    expect(told(bench)).toEqual([["http://bb", word("monday"), "reference"]]);
    expect([bench.stored, bench.relearn]).toEqual([[{ version: 2, digest: "d", profile: OLD }], word("monday")]);
  });

  test("has nobody begin before that is written, and begins once for each value", async () => {
    const bench = counted();
    bench.annotation = "monday";
    bench.isQuicker = true;
    expect(await bench.tend()).toEqual([]);
    expect(bench.stored).toHaveLength(2);
    await bench.tend();
    bench.counters = [counter("a", word("monday"))];
    bench.annotation = "tuesday";
    await bench.tend();
    expect(told(bench)).toEqual([["http://a", word("tuesday"), "anew"]]);
    expect(new Set(bench.events.map(({ name }) => name)).size).toBe(2);
  });

  test("says where the version has a profile that was published with it, which stays", async () => {
    const bench = new Bench();
    bench.published = [2];
    bench.annotation = "monday";
    expect(await bench.tend()).toEqual([]);
    expect(bench.events.map(({ note }) => note)).toEqual([
      "version 2 is measured against the profile that was published with it, which stays; of others what was learned of the data is dropped",
    ]);
    await bench.tend();
    expect(bench.events).toHaveLength(1);
  });

  test("hands a replica that is asked nothing the new reference once", async () => {
    const bench = counted();
    bench.relearn = word("monday");
    bench.annotation = "monday";
    bench.counters = [];
    bench.learners = [learner("a", 0)];
    expect(await bench.tend()).toEqual(["http://a 2"]);
    bench.learners = [learner("a", 0, { relearn: word("monday") })];
    expect(await bench.tend()).toEqual([]);
  });
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
