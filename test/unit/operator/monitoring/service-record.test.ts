import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ReplicaDrift } from "../../../../common/monitoring-api.ts";
import {
  ServiceRecord,
  type RecordedVersion,
  type TakeOptions,
} from "../../../../operator/monitoring/service-record.ts";
import { answer, counting, durations, versionAnswer } from "./monitoring-answers.ts";

const OPTIONS: TakeOptions = { model: "digits", isNew: true, windowRows: 50 };
const BINS = 3;

/** A process that counts what it is asked. */
class Process {
  readonly instance: string;
  readonly profile: string;
  readonly counts: number[] = Array.from({ length: BINS }, () => 0);
  errors = 0;

  constructor(instance: string, profile: string) {
    this.instance = instance;
    this.profile = profile;
  }

  told() {
    const ok = this.counts.reduce((sum, count) => sum + count, 0);
    const requests = { ...(ok > 0 && { OK: ok }), ...(this.errors > 0 && { ModelNotReady: this.errors }) };
    return answer(this.instance, [
      versionAnswer({
        requests,
        rows: ok,
        duration: durations(ok + this.errors),
        drift: counting(this.counts, this.profile),
        outcomes: {
          joined: ok,
          labels: ok,
          correct: this.counts[0] ?? 0,
          numbers: 0,
          absoluteError: 0,
          squaredError: 0,
        },
      }),
    ]);
  }
}

/** With the window summed up. */
function seen({ drift, ...version }: RecordedVersion): object {
  return { ...version, drift: drift.state === "Counting" ? { ...drift, window: drift.window() } : drift };
}

const event = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("asked" as const), pod: fc.nat(3), bin: fc.nat(BINS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("failed" as const), pod: fc.nat(3) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("told" as const), pod: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restarted" as const), pod: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("replaced" as const), pod: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("closed" as const) }) },
);

describe("what replicas did together", () => {
  test("is what one would have done that was asked it all, whoever starts anew, comes and goes", () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 300 }), (events) => {
        const record = new ServiceRecord({ intervalMs: 10_000 });
        const single = new ServiceRecord({ intervalMs: 10_000 });
        const one = new Process("single", "p");
        let started = 0;
        let nowMs = 1_000_000;
        const uids = ["a", "b", "c", "d"].map((name) => `${name}0`);
        const fleet = uids.map(() => new Process(`i${started++}`, "p"));
        /** What each has done since it was last heard of; lost where it is not heard of again. */
        const untold = uids.map(() => new Process("", "p"));
        const heard = new Set<string>();
        let wasForgotten = false;
        const forget = (pod: number): void => {
          fleet[pod] = new Process(`i${started++}`, "p");
          untold[pod] = new Process("", "p");
        };
        record.closeInterval(nowMs);
        single.closeInterval(nowMs);
        for (const each of events) {
          if (each.kind === "closed") {
            nowMs += 10_000;
            record.closeInterval(nowMs);
            single.closeInterval(nowMs);
            continue;
          }
          const [process, since] = [fleet[each.pod], untold[each.pod]];
          if (process === undefined || since === undefined) continue;
          if (each.kind === "asked") {
            for (const counted of [process, since]) counted.counts[each.bin] = (counted.counts[each.bin] ?? 0) + 1;
          } else if (each.kind === "failed") {
            process.errors++;
            since.errors++;
          } else if (each.kind === "told") {
            record.take(uids[each.pod] ?? "", process.told(), OPTIONS);
            heard.add(uids[each.pod] ?? "");
            since.counts.forEach((count, bin) => void (one.counts[bin] = (one.counts[bin] ?? 0) + count));
            one.errors += since.errors;
            single.take("single", one.told(), OPTIONS);
            untold[each.pod] = new Process("", "p");
          } else {
            forget(each.pod);
            if (each.kind === "restarted") continue;
            const isLast = heard.delete(uids[each.pod] ?? "") && heard.size === 0;
            wasForgotten ||= isLast;
            uids[each.pod] = `${uids[each.pod] ?? ""}+`;
            record.keepOnly(new Set(uids));
          }
        }
        nowMs += 10_000;
        record.closeInterval(nowMs);
        single.closeInterval(nowMs);
        const [did, expected] = [record.points(nowMs), single.points(nowMs)];
        expect(did.map(({ versions }) => versions)).toEqual(expected.map(({ versions }) => versions));
        // Where nobody was left that counts by the profile, the window went with the last one.
        expect(wasForgotten ? [] : record.versions().map(seen)).toEqual(
          wasForgotten ? [] : single.versions().map(seen),
        );
      }),
      { numRuns: 300 },
    );
  });

  test("before the operator began to ask is not news", () => {
    const record = new ServiceRecord({ intervalMs: 10_000 });
    record.closeInterval(0);
    const told = (rows: number) =>
      answer("i", [
        versionAnswer({ requests: { OK: rows }, rows, duration: durations(rows), drift: counting([rows]) }),
      ]);
    record.take("a", told(5_000), { ...OPTIONS, isNew: false });
    record.closeInterval(10_000);
    record.take("a", told(5_007), { ...OPTIONS, isNew: false });
    record.closeInterval(20_000);
    expect(record.points(20_000).map(({ versions }) => versions.map(({ requests }) => requests))).toEqual([
      [],
      [{ OK: 7 }],
    ]);
    expect(record.versions()[0]?.drift).toMatchObject({ state: "Counting", windowRows: 7 });
  });

  test("a window goes on while replicas are replaced, and goes when nobody counts by its profile any more", () => {
    const record = new ServiceRecord({ intervalMs: 10_000 });
    const tell = (pod: string, rows: number, profile: string): void =>
      record.take(pod, answer(pod, [versionAnswer({ drift: counting([rows], profile) })]), OPTIONS);
    tell("a", 10, "p");
    tell("b", 20, "p");
    record.keepOnly(new Set(["b"]));
    tell("c", 5, "p");
    expect(record.versions()[0]?.drift).toMatchObject({ profile: "p", windowRows: 35, totalRows: 35 });
    tell("b", 3, "q");
    tell("c", 4, "q");
    record.keepOnly(new Set(["b", "c"]));
    expect(record.versions()[0]?.drift).toMatchObject({ profile: "q", windowRows: 7 });
    tell("b", 13, "p");
    tell("c", 14, "p");
    record.keepOnly(new Set(["b", "c"]));
    expect(record.versions()[0]?.drift).toMatchObject({ profile: "p", windowRows: 27 });
  });

  test("versions that replicas have, side by side", () => {
    const record = new ServiceRecord({ intervalMs: 10_000 });
    const learning = { state: "Learning" as const, rows: 12, features: [] };
    record.take("a", answer("a", [versionAnswer(), versionAnswer({ version: 3, drift: learning })]), OPTIONS);
    record.take("b", answer("b", [versionAnswer({ version: 3, drift: learning, digest: "x" })]), OPTIONS);
    expect(record.versions()).toMatchObject([
      { version: 2, digest: "sha256:0123", drift: { state: "Off" } },
      { version: 3, drift: { state: "Learning", rows: 24 } },
    ]);
    expect(record.learners().map(({ podUid, version, digest }) => [podUid, version, digest])).toEqual([
      ["a", 3, "sha256:0123"],
      ["b", 3, "x"],
    ]);
    expect(record.learnedBy(3, "x")).toBeUndefined();
    record.take("b", answer("b", [versionAnswer({ version: 3, drift: counting([1]), digest: "x" })]), OPTIONS);
    expect([record.learnedBy(3, "x"), record.learnedBy(3, "y"), record.countersBy("p")]).toEqual([
      "p",
      undefined,
      ["b"],
    ]);
  });

  test("what was learned is told with the learning that it is of, and published profiles apart", () => {
    const record = new ServiceRecord({ intervalMs: 10_000 });
    const take = (podUid: string, drift: ReplicaDrift): void =>
      record.take(podUid, answer(podUid, [versionAnswer({ version: 3, drift })]), OPTIONS);
    take("a", { ...counting([1]), relearn: "monday" });
    take("b", counting([1], "q"));
    take("c", counting([1], "r", "Published"));
    take("d", { state: "Learning", rows: 2, features: [], relearn: "monday" });
    expect(record.learnedCounters().map(({ podUid, relearn }) => [podUid, relearn])).toEqual([
      ["a", "monday"],
      ["b", ""],
    ]);
    expect(record.learners()).toMatchObject([{ podUid: "d", relearn: "monday" }]);
    expect([record.learnedBy(3, "sha256:0123"), record.learnedBy(3, "sha256:0123", "monday")]).toEqual(["q", "p"]);
    expect([...record.publishedVersions()]).toEqual([3]);
  });

  test("outcomes that a replica does not know are told once, those of its next process too", () => {
    const record = new ServiceRecord({ intervalMs: 10_000 });
    const tell = (instance: string, ...numbers: number[]): void =>
      record.take(
        "a",
        answer(instance, [], {
          strayOutcomes: numbers.map((number) => ({ number, requestId: `${instance}${number}`, values: [1] })),
        }),
        OPTIONS,
      );
    const taken = (): string[] =>
      record.takeStrays().flatMap(({ outcomes }) => outcomes.map(({ requestId }) => requestId));
    tell("i", 0, 1);
    tell("i", 0, 1, 2);
    expect(taken()).toEqual(["i0", "i1", "i2"]);
    tell("i", 1, 2);
    expect(taken()).toEqual([]);
    tell("j", 0);
    expect(taken()).toEqual(["j0"]);
    for (let number = 0; number < 3_000; number += 500)
      tell("k", ...Array.from({ length: 500 }, (_, index) => number + index));
    expect(taken()).toHaveLength(1_000);
  });
});
