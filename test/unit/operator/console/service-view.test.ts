import { describe, expect, test } from "vitest";
import { detailsOf, listOf } from "../../../../operator/console/console-data.ts";
import { binLabels, driftView } from "../../../../operator/console/drift-view.ts";
import { consoleWorld } from "../../../fixtures/console-world.ts";

const NOW_MS = Date.UTC(2026, 2, 3, 14, 20);
const world = consoleWorld(NOW_MS);

describe("the list", () => {
  test("is ordered by namespace and name, and says how each service is", () => {
    const rows = listOf(world);
    expect(rows.map(({ namespace, name }) => `${namespace}/${name}`.slice(0, 20))).toEqual([
      "growth/churn",
      "growth/hostile <img ",
      "growth/uplift",
      "payments/chargeback",
      "payments/fraud",
      "vision/digits",
      "vision/segmentation",
    ]);
    expect(rows.find(({ name }) => name === "fraud")).toMatchObject({
      ready: "True",
      activeVersion: 7,
      targetVersion: 8,
      replicas: "3/3",
      drift: "Drifting",
      recent: { requestsPerSecond: expect.closeTo(162, 0), errorsPerSecond: expect.closeTo(1.27, 1) },
    });
    expect(rows.find(({ name }) => name === "chargeback")).toMatchObject({ targetVersion: undefined, drift: "Steady" });
    expect(rows.find(({ name }) => name === "churn")).toMatchObject({
      reason: "VersionNotFound",
      recent: undefined,
      drift: "Unknown",
    });
  });

  test("has those namespaces alone that may be read", () => {
    expect(listOf(world, new Set(["vision"])).map(({ name }) => name)).toEqual(["digits", "segmentation"]);
    expect(listOf(world, new Set())).toEqual([]);
  });
});

describe("a service", () => {
  test("has versions with their roles and shares, replicas with what they hold, and what to do", async () => {
    const fraud = await detailsOf(world, "payments/fraud");
    expect(
      fraud?.versions.map(({ version, isActive, isPrevious, isTarget, share }) => [
        version,
        isActive,
        isPrevious,
        isTarget,
        share,
      ]),
    ).toEqual([
      [6, false, true, false, 0],
      [7, true, false, false, 1],
      [8, false, false, true, 0],
    ]);
    expect(fraud?.versions[1]?.outcomes?.accuracy).toBeCloseTo(0.9726, 4);
    expect(fraud?.replicaList[2]).toMatchObject({
      isHeard: true,
      gate: "Serving",
      epoch: 12,
      activeVersion: 7,
      versions: [
        { version: 7, state: "Available" },
        { version: 8, state: "Loading" },
      ],
    });
    expect(fraud?.traffic.length).toBeLessThanOrEqual(120);
    expect(fraud?.conditions.map(({ type, isGood }) => [type, isGood])).toEqual([
      ["Ready", true],
      ["Available", true],
      ["Progressing", false],
      ["Degraded", true],
      ["Drifting", false],
    ]);
    const churn = await detailsOf(world, "growth/churn");
    expect(churn?.failures[0]).toMatchObject({
      reason: "VersionNotFound",
      remedy: expect.stringContaining("versionPolicy"),
    });
  });

  test("that does not answer is not made up", async () => {
    const chargeback = await detailsOf(world, "payments/chargeback");
    expect(chargeback?.replicaList[1]).toMatchObject({
      isHeard: false,
      phase: "Pending",
      versions: [],
      gate: undefined,
    });
    expect(await detailsOf(world, "payments/none")).toBeUndefined();
  });

  test("tells no environment and nothing that may be a credential", async () => {
    for (const key of world.services.keys())
      expect(JSON.stringify(await detailsOf(world, key))).not.toMatch(/hunter2|SECRET/);
    expect(JSON.stringify(listOf(world))).not.toMatch(/hunter2|SECRET/);
  });
});

describe("drift", () => {
  test("has what moved most first, in shares", async () => {
    const drift = (await detailsOf(world, "payments/fraud"))?.driftDetail;
    expect(drift?.features.map(({ name, isDrifting }) => [name, isDrifting])).toEqual([
      ["input.amount", true],
      ["input.channel", true],
      ["score", true],
      ["input.distance_km", false],
      ["input.hour", false],
      ["input.age_days", false],
    ]);
    const channel = drift?.features[1];
    expect(channel?.bins?.map(({ label }) => label)).toEqual(["app", "web", "branch", "phone", "others"]);
    expect(channel?.bins?.[1]).toEqual({ label: "web", reference: 0.31, window: 0.52 });
  });

  test("of a version that nothing is known of is unknown, not steady", () => {
    expect(driftView(undefined)).toMatchObject({ state: "Unknown", features: [] });
    expect(driftView({ version: 1, digest: undefined, drift: { state: "Off" }, outcomes: undefined })).toMatchObject({
      state: "Off",
    });
  });

  test("names a bin more than there are edges", () => {
    const numeric = {
      kind: "numeric",
      edges: [0.1, 2, 1234567],
      counts: [1, 1, 1, 1],
      missing: 0,
      min: 0,
      max: 9,
    } as const;
    expect(binLabels({ ...numeric, edges: [...numeric.edges], counts: [...numeric.counts] })).toEqual([
      "below 0.1",
      "0.1 to 2",
      "2 to 1235000",
      "from 1235000",
    ]);
  });
});
