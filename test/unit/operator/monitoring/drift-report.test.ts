import { describe, expect, test } from "vitest";
import type { StatusDrift } from "../../../../common/inferenceservice.gen.ts";
import { currentDrift, nextReport } from "../../../../operator/monitoring/drift-report.ts";
import type { FeatureDrift } from "../../../../operator/monitoring/monitoring-source.ts";

const SECOND = 1_000;

function feature(name: string, psi: number): FeatureDrift {
  return {
    name,
    side: "input",
    reference: { kind: "numeric", edges: [0], counts: [1, 1], missing: 0, min: 0, max: 1 },
    counts: [1, 1],
    missing: 0,
    outOfRange: 0,
    psi,
    ks: 0,
    js: 0,
    wasserstein: 0,
    pValue: 0,
    isDrifting: psi > 0.1,
    message: `higher by ${psi}`,
  };
}

test("the status has the first ten features that drift, most moved first", () => {
  const features = Array.from({ length: 20 }, (_, index) => feature(`x[${index}]`, index / 50 + 0.000_04));
  const found = { state: "Drifting", source: "Published", referenceRows: 9, windowRows: 5, features } as const;
  const drift = currentDrift({ version: 3, drift: found });
  expect(drift).toMatchObject({
    state: "Drifting",
    version: 3,
    reference: "Published",
    referenceRows: 9,
    windowRows: 5,
  });
  expect(drift?.features?.map(({ name, psi }) => [name, psi])).toEqual(
    Array.from({ length: 10 }, (_, index) => [`x[${19 - index}]`, (19 - index) / 50]),
  );
});

test("the status says of what is off nothing, and how far the reference is", () => {
  expect(currentDrift({ version: 3, drift: { state: "Off" } })).toBeUndefined();
  expect(currentDrift({ version: 3, drift: { state: "Learning", rows: 7, wantedRows: 10 } })).toEqual({
    state: "Learning",
    version: 3,
    referenceRows: 7,
  });
});

describe("what was said", () => {
  const told: StatusDrift = {
    state: "Drifting",
    version: 2,
    reference: "Learned",
    referenceRows: 1_000,
    windowRows: 2_000,
    features: [{ name: "a", psi: 0.3 }],
  };
  const steady: StatusDrift = {
    state: "Steady",
    version: 2,
    reference: "Learned",
    referenceRows: 1_000,
    windowRows: 9,
  };
  test.each<[string, StatusDrift | undefined, StatusDrift | undefined, number]>([
    ["another state is news at once", told, steady, 0],
    ["and another version", told, { ...told, version: 3 }, 0],
    ["and another reference", told, { ...told, reference: "Published" }, 0],
    ["and that it is watched", undefined, steady, 0],
    ["and that it is watched no more", told, undefined, 0],
    ["other features after a minute", told, { ...told, features: [{ name: "b", psi: 0.3 }] }, 60 * SECOND],
    ["other numbers after five", told, { ...told, features: [{ name: "a", psi: 0.4 }] }, 300 * SECOND],
    ["that it is nearly over is none", told, { ...told, features: [] }, Infinity],
    ["that it is the same is none", told, { ...told, features: [{ name: "a", psi: 0.3 }] }, Infinity],
    ["nor is a window that begins anew", told, { ...steady, state: "Waiting" }, Infinity],
    ["but with another version", told, { ...steady, state: "Waiting", version: 3 }, 0],
    ["nothing twice is none", undefined, undefined, Infinity],
  ])("%s", (_, before, current, afterMs) => {
    const report = { drift: before, atMs: 1_000 };
    const isToldAfter = (ms: number): boolean => nextReport(report, current, 1_000 + ms) !== report;
    const times = [0, 59_999, 60_000, 299_999, 300_000, 1e9];
    expect(times.map(isToldAfter)).toEqual(times.map((ms) => ms >= afterMs));
    expect([report, { drift: current, atMs: 1e9 }]).toContainEqual(nextReport(report, current, 1e9));
  });
});
