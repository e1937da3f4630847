import { expect, test } from "vitest";
import type { Profile } from "../../../../common/drift/profile.ts";
import type { InferenceService, InferenceServiceStatus } from "../../../../common/inferenceservice.gen.ts";
import { RELEARN_ANNOTATION } from "../../../../operator/api/names.ts";
import { relearnOf } from "../../../../operator/observed/drift-status.ts";
import { ServiceWatch } from "../../../../operator/monitoring/service-watch.ts";
import { inferenceService } from "../fixtures.ts";
import { answer, counting, versionAnswer } from "./monitoring-answers.ts";

const WINDOW = 400;
const PROFILE: Profile = {
  formatVersion: 1,
  rows: 1_000,
  features: [
    {
      name: "x",
      side: "input",
      reference: { kind: "numeric", edges: [0, 1], counts: [500, 500, 0], missing: 0, min: -1, max: 1 },
    },
  ],
};

function service(status: InferenceServiceStatus = { activeVersion: 2 }): InferenceService {
  const drift = { enabled: true, referenceRows: 1_000, windowRows: WINDOW, threshold: 0.1 };
  return inferenceService({ monitoring: { drift } }, { status });
}

/** A watch of one replica that counts. */
class Bench {
  readonly watch = new ServiceWatch(10_000);
  readonly #counts = [0, 0, 0];
  #nowMs = 0;
  isvc = service();

  /** Rows as the reference has them, or all in a bin that has none there; whether the status has something to say. */
  round(kind: "alike" | "moved", rows = WINDOW, profile = "p"): boolean {
    if (kind === "moved") this.#counts[2] = (this.#counts[2] ?? 0) + rows;
    else for (const bin of [0, 1]) this.#counts[bin] = (this.#counts[bin] ?? 0) + rows / 2;
    const told = answer("i", [versionAnswer({ drift: counting(this.#counts, profile) })]);
    this.watch.record.take("a", told, { model: "digits", isNew: true, windowRows: WINDOW });
    this.#nowMs += 10_000;
    this.watch.record.closeInterval(this.#nowMs);
    return this.watch.judge(this.isvc, this.#nowMs);
  }

  get state(): string | undefined {
    const { report } = this.watch;
    return report === "Unknown" ? report : report?.state;
  }
}

test("what moves is told after two windows, and that it is over after six", () => {
  const bench = new Bench();
  bench.watch.addProfile("p", PROFILE);
  expect(bench.state).toBe("Unknown");
  expect([bench.round("alike"), bench.state]).toEqual([true, "Steady"]);
  // Less than an eighth of a window is no other window.
  expect([bench.round("moved"), bench.round("moved", WINDOW / 10), bench.state]).toEqual([false, false, "Steady"]);
  expect([bench.round("moved"), bench.state]).toEqual([true, "Drifting"]);
  expect(bench.watch.versions[0]?.drift).toMatchObject({ state: "Drifting", windowRows: WINDOW + WINDOW / 10 });
  const over = Array.from({ length: 6 }, () => bench.round("alike"));
  expect([over, bench.state]).toEqual([[false, false, false, false, false, true], "Steady"]);
});

test("nothing is found before the profile is known", () => {
  const bench = new Bench();
  bench.round("alike");
  expect([bench.state, bench.watch.unknownProfiles()]).toEqual(["Waiting", ["p"]]);
  bench.watch.addProfile("p", PROFILE);
  expect(bench.watch.unknownProfiles()).toEqual([]);
  bench.round("alike");
  expect(bench.state).toBe("Steady");
  bench.round("alike", WINDOW, "q");
  // Nobody counts by the first one any more.
  expect([bench.watch.unknownProfiles(), bench.watch.profile("p")]).toEqual([["q"], undefined]);
});

test("what is to be learned anew is learning at once, and counts by what was learned before count no more", () => {
  const bench = new Bench();
  bench.watch.addProfile("p", PROFILE);
  bench.round("alike");
  expect(bench.state).toBe("Steady");
  bench.isvc = { ...bench.isvc, metadata: { ...bench.isvc.metadata, annotations: { [RELEARN_ANNOTATION]: "monday" } } };
  expect([bench.round("alike"), bench.state]).toEqual([true, "Learning"]);
  expect(bench.watch.versions[0]?.drift).toMatchObject({ state: "Learning", rows: 0, wantedRows: 1_000 });
  expect([bench.round("moved"), bench.state]).toEqual([false, "Learning"]);
  // Another replica has done so.
  const drift = { state: "Learning", rows: 7, features: [], relearn: relearnOf(bench.isvc) } as const;
  const told = answer("j", [versionAnswer({ drift: { ...drift, features: [] } })]);
  bench.watch.record.take("b", told, { model: "digits", isNew: true, windowRows: WINDOW });
  bench.round("moved");
  expect(bench.watch.versions[0]?.drift).toMatchObject({ state: "Learning", rows: 7 });
});

test("after a restart of the operator what the status says holds until a window has come", () => {
  const bench = new Bench();
  const features = [{ name: "x", psi: 3, message: "higher" }];
  const drift = { state: "Drifting", version: 2, reference: "Learned", referenceRows: 1_000, features } as const;
  bench.isvc = service({ activeVersion: 2, drift });
  bench.watch.addProfile("p", PROFILE);
  expect([bench.round("alike", 50), bench.watch.report]).toEqual([false, drift]);
  // It is over only after as many windows as ever.
  expect(Array.from({ length: 5 }, () => bench.round("alike"))).toEqual([false, false, false, false, false]);
  expect([bench.round("alike"), bench.state]).toEqual([true, "Steady"]);
});

test("the version that answers is the one that is told of", () => {
  const bench = new Bench();
  bench.watch.addProfile("p", PROFILE);
  bench.round("alike");
  bench.isvc = service({ activeVersion: 3 });
  expect([bench.round("alike"), bench.state]).toEqual([false, "Steady"]);
  const learning = { state: "Learning" as const, rows: 5, features: [] };
  const told = answer("i", [versionAnswer(), versionAnswer({ version: 3, drift: learning })]);
  bench.watch.record.take("a", told, { model: "digits", isNew: true, windowRows: WINDOW });
  expect(bench.watch.judge(bench.isvc, 1e6)).toBe(true);
  expect(bench.watch.report).toEqual({ state: "Learning", version: 3, referenceRows: 5 });
});

test("where drift is off, it is said of all versions", () => {
  const bench = new Bench();
  bench.isvc = inferenceService({
    monitoring: { drift: { enabled: false, referenceRows: 1_000, windowRows: WINDOW, threshold: 0.1 } },
  });
  bench.round("moved");
  expect([bench.state, bench.watch.versions[0]?.drift]).toEqual([undefined, { state: "Off" }]);
});

test("the last hour stays where it is when the wall clock is set", () => {
  const bench = new Bench();
  for (let round = 0; round < 3; round++) bench.round("alike");
  const agesMs = (wallMs: number): number[] | undefined =>
    bench.watch.view({ nowMs: 31_000.4, wallMs })?.points.map(({ atMs }) => Math.round(wallMs - atMs));
  expect(agesMs(1_800_000_000_000)).toEqual([11_000, 1_000]);
  expect(agesMs(0)).toEqual([11_000, 1_000]);
  expect(bench.watch.view({ nowMs: 3_621_000, wallMs: 0 })?.points.map(({ atMs }) => atMs)).toEqual([-3_591_000]);
});
