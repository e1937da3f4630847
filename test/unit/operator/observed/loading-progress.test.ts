import { describe, expect, test } from "vitest";
import type { ObservedReplica } from "../../../../operator/observed/observation.ts";
import { describeLoading, loadingOf } from "../../../../operator/observed/loading-progress.ts";
import { inferenceService, replica, serving } from "../fixtures.ts";
import { statusOf } from "./status-of.ts";

function fetching(name: string, version: number, bytesDone: number, bytesTotal?: number): ObservedReplica {
  const loading = { version, bytesDone, ...(bytesTotal !== undefined && { bytesTotal }) };
  return replica(name, { state: { phase: "Fetching", models: [{ name: "digits", versions: [], loading }] } });
}

describe("what replicas fetch", () => {
  test.each<[string, ObservedReplica[], object | undefined]>([
    ["nothing", [], undefined],
    ["a replica that answers fetches nothing", [replica("a", { ready: true })], undefined],
    ["one", [fetching("a", 3, 5, 10)], { version: 3, bytesDone: 5, bytesTotal: 10 }],
    [
      "the sum of those that fetch the newest version",
      [fetching("a", 3, 5, 10), fetching("b", 2, 7, 7), fetching("c", 3, 1, 10), replica("d", { ready: true })],
      { version: 3, bytesDone: 6, bytesTotal: 20 },
    ],
    [
      "no total where one does not know its own",
      [fetching("a", 3, 5, 10), fetching("b", 3, 1)],
      { version: 3, bytesDone: 6 },
    ],
    ["version 0 counts", [fetching("a", 0, 0, 0)], { version: 0, bytesDone: 0, bytesTotal: 0 }],
  ])("%s", (_, replicas, expected) => expect(loadingOf(replicas)).toEqual(expected));

  test("replicas that go away do not count", () => {
    const { pod, state } = fetching("a", 3, 5, 10);
    const leaving = { ...pod, metadata: { ...pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    expect(loadingOf([{ pod: leaving, state }])).toBeUndefined();
  });

  test.each([
    [{ version: 3, bytesDone: 120e6, bytesTotal: 500e6 }, "fetching version 3: 120 of 500 MB"],
    [{ version: 3, bytesDone: 1_250_000, bytesTotal: 9_000_000 }, "fetching version 3: 1.3 of 9.0 MB"],
    [{ version: 12, bytesDone: 4e9 }, "fetching version 12: 4000 MB"],
  ])("%o reads %s", (loading, text) => expect(describeLoading(loading)).toBe(text));
});

describe("a status", () => {
  test("tells how far the replicas are, in a field and in words", () => {
    const replicas = [
      replica("a", { ready: true, state: serving(2) }),
      fetching("b", 3, 100e6, 250e6),
      fetching("c", 3, 20e6, 250e6),
    ];
    const status = statusOf({ isvc: inferenceService({ minReplicas: 3 }), replicas });
    expect(status.loading).toEqual({ version: 3, bytesDone: 120e6, bytesTotal: 500e6 });
    expect(status.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
      status: "False",
      reason: "FetchingModel",
      message: "1 of 3 replicas answer; fetching version 3: 120 of 500 MB",
    });
  });

  test("has no such field when nothing is fetched", () => {
    expect(statusOf({ replicas: [replica("a", { ready: true })] })).not.toHaveProperty("loading");
  });
});
