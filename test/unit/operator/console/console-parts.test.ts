import { describe, expect, test } from "vitest";
import { parseAction, patchOf } from "../../../../operator/console/action.ts";
import type { ServiceView } from "../../../../operator/console/console-views.ts";
import { driftView } from "../../../../operator/console/drift-view.ts";
import { isOwnHost } from "../../../../operator/console/hosts.ts";
import { ReadingRights } from "../../../../operator/console/reading-rights.ts";
import { ReplicaStates } from "../../../../operator/console/replica-states.ts";
import { actionTitle, consequences } from "../../../../operator/console/page/action-text.ts";
import { matchesFilter } from "../../../../operator/console/page/filter.ts";
import { formatAge, formatMs, formatNumber, formatShare } from "../../../../operator/console/page/format.ts";
import { hrefOf, parseRoute } from "../../../../operator/console/page/route.ts";
import { axisTicks, linePieces } from "../../../../operator/console/page/scale.ts";
import { inferenceService, replica, serving } from "../fixtures.ts";

const NOW = new Date("2026-10-01T12:00:00Z");
const NEVER = new AbortController().signal;

describe("a Host header", () => {
  test.each([
    ["127.0.0.1:8082", true],
    ["localhost:18082", true],
    ["[::1]:8082", true],
    ["10.1.2.3", true],
    ["lockstep-console:8082", true],
    ["lockstep-console.lockstep-system.svc:8082", true],
    ["lockstep-console.lockstep-system.svc.cluster.local", true],
    ["console.example.com", true],
    ["Console.Example.com:443", true],
    ["attacker.example", false],
    ["svc.attacker.example:8082", false],
    ["127.0.0.1.attacker.example", false],
    ["a.svc.cluster.local.attacker.example", false],
    ["localhost:8082@attacker.example", false],
    ["", false],
    [undefined, false],
  ])("%s: %s", (header, isOwn) => {
    expect(isOwnHost(header, ["console.example.com"], "cluster.local")).toBe(isOwn);
  });
});

describe("an action", () => {
  test("is a patch", () => {
    const isvc = inferenceService();
    expect(patchOf(isvc, { action: "stop" }, NOW)).toEqual({ spec: { stop: true } });
    expect(patchOf(isvc, { action: "start" }, NOW)).toEqual({ spec: { stop: false } });
    expect(patchOf(isvc, { action: "relearn" }, NOW)).toEqual({
      metadata: { annotations: { "serving.lockstep.dev/relearn-drift": "2026-10-01T12:00:00.000Z" } },
    });
    expect(patchOf(isvc, { action: "scale", minReplicas: 2, maxReplicas: null }, NOW)).toEqual({
      spec: { predictor: { minReplicas: 2, maxReplicas: null } },
    });
    expect(patchOf(isvc, { action: "pin", version: 3 }, NOW)).toEqual({
      spec: {
        predictor: {
          onnx: null,
          model: {
            modelFormat: { name: "onnx" },
            storageUri: "s3://models/digits",
            versionPolicy: { specific: { versions: [3] } },
          },
        },
      },
    });
  });

  test("is told with what follows, before it is done", () => {
    const drift = { ...driftView(undefined), state: "Steady", source: "Learned", referenceRows: 600 } as const;
    const service = { name: "digits", driftDetail: drift } as unknown as ServiceView;
    expect(consequences(service, { action: "relearn" })[0]).toContain("about 600 rows that come from now on");
    expect(actionTitle("relearn")).toBe("Learn drift anew");
  });

  test.each([
    ["unknown", { action: "delete" }],
    ["without a version", { action: "pin" }],
    ["with a version that is none", { action: "pin", version: 1.5 }],
    ["with something more", { action: "stop", force: true }],
    ["with replicas below 0", { action: "scale", minReplicas: -1, maxReplicas: null }],
    ["that is no object", "stop"],
  ])("%s is not taken", (_words, body) => {
    expect(parseAction(body)).toEqual(expect.any(String));
  });
});

describe("who may read", () => {
  test("is asked of the API server once in a while, for all namespaces first", async () => {
    const asked: string[] = [];
    let nowMs = 0;
    const rights = new ReadingRights({
      ask: (token, namespace) => {
        asked.push(`${token} ${namespace ?? "*"}`);
        return Promise.resolve(token === "admin" || namespace === "a");
      },
      clock: { nowMs: () => nowMs },
    });
    expect(await rights.readable("admin", ["a", "b"], NEVER)).toEqual(new Set(["a", "b"]));
    expect(await rights.readable("user", ["a", "b", "a"], NEVER)).toEqual(new Set(["a"]));
    expect(asked.toSorted()).toEqual(["admin *", "user *", "user a", "user b"]);
    await rights.readable("user", ["a", "b"], NEVER);
    expect(asked).toHaveLength(4);
    nowMs = 30_000;
    await rights.readable("user", ["a"], NEVER);
    expect(asked).toHaveLength(6);
  });

  test("is not known where the API server refuses the token", async () => {
    const rights = new ReadingRights({ ask: () => Promise.reject(new Error("no token")), clock: { nowMs: () => 0 } });
    await expect(rights.readable("x", ["a"], NEVER)).rejects.toThrow("no token");
  });
});

describe("the states of replicas", () => {
  const pods = Array.from(
    { length: 40 },
    (_, index) => replica(`r${index}`, { ready: true, pod: { podIP: `10.0.0.${index}` } }).pod,
  );

  test("are asked for a few at a time, and shared by pages that are open", async () => {
    let [open, most, asked, nowMs] = [0, 0, 0, 0];
    const states = new ReplicaStates({
      ask: async (origin) => {
        asked++;
        most = Math.max(most, ++open);
        await Promise.resolve();
        open--;
        if (origin.endsWith(".7:8081")) throw new Error("silent");
        return { instance: "i", revision: 1, state: serving(2) };
      },
      clock: { nowMs: () => nowMs },
      signal: NEVER,
    });
    const [first, second] = await Promise.all([states.of(pods), states.of(pods)]);
    expect(first).toEqual(second);
    expect(first.size).toBe(39);
    expect(first.has("uid-of-r7")).toBe(false);
    expect([asked, most <= 16, open]).toEqual([40, true, 0]);
    nowMs = 2_000;
    await states.of(pods.slice(0, 1));
    expect(asked).toBe(41);
  });

  test("of pods that do not run are not asked for", async () => {
    const states = new ReplicaStates({
      ask: () => Promise.reject(new Error("asked")),
      clock: { nowMs: () => 0 },
      signal: NEVER,
    });
    expect(await states.of([replica("new", { unschedulable: "no node" }).pod])).toEqual(new Map());
  });
});

describe("the page's own parts", () => {
  test.each([
    [{ page: "list" }, "#/"],
    [{ page: "service", namespace: "a", name: "b", section: "overview" }, "#/services/a/b"],
    [{ page: "service", namespace: "a", name: "b/<c>", section: "drift" }, "#/services/a/b%2F%3Cc%3E/drift"],
  ] as const)("an address is read as it is written: %j", (route, href) => {
    expect(hrefOf(route)).toBe(href);
    expect(parseRoute(href)).toEqual(route);
  });

  test.each(["", "#", "#/other/a/b", "#/services/a", "#/services/%zz/b", "#/services//b"])(
    "what is none is the list: %s",
    (hash) => {
      expect(parseRoute(hash)).toEqual({ page: "list" });
    },
  );

  test("an axis has round ticks that reach to the greatest value", () => {
    expect(axisTicks(9)).toEqual([0, 2.5, 5, 7.5, 10]);
    expect(axisTicks(0.0042)).toEqual([0, 0.002, 0.004, 0.006]);
    expect(axisTicks(0)).toEqual([0, 0.5, 1]);
    for (let max = 0.001; max < 1e6; max *= 1.37) {
      const ticks = axisTicks(max);
      expect(ticks.at(-1)).toBeGreaterThanOrEqual(max * (1 - 1e-9));
      expect(ticks.length).toBeGreaterThanOrEqual(3);
      expect(ticks.length).toBeLessThanOrEqual(6);
    }
  });

  test("a line breaks where nothing is known, and where nobody was asked", () => {
    expect(linePieces([0, 10, 20, 30, 90, 100], [1, 2, undefined, 3, 4, 5], 30)).toEqual([
      [
        { atMs: 0, value: 1 },
        { atMs: 10, value: 2 },
      ],
      [{ atMs: 30, value: 3 }],
      [
        { atMs: 90, value: 4 },
        { atMs: 100, value: 5 },
      ],
    ]);
  });

  test("numbers are short", () => {
    expect([undefined, 0, 0.00001234, 0.12345, 12.345, 1234.5].map(formatNumber)).toEqual([
      "–",
      "0",
      "1.2e-5",
      "0.123",
      "12.3",
      "1,235",
    ]);
    expect([3.333, 12_000].map(formatMs)).toEqual(["3.33 ms", "12 s"]);
    expect([0, 0.0312, 0.5].map(formatShare)).toEqual(["0 %", "3.1 %", "50 %"]);
    expect([0, 59_000, 3_599_000, 7_200_000, 200_000_000].map((age) => formatAge(0, age))).toEqual([
      "0 s ago",
      "59 s ago",
      "59 min ago",
      "2 h ago",
      "2 days ago",
    ]);
  });

  test("the filter wants all its words, wherever they are", () => {
    const row = { namespace: "payments", name: "fraud", ready: "True", reason: "Serving", drift: "Drifting" } as const;
    const whole = { ...row, activeVersion: 1, targetVersion: undefined, replicas: "1/1", recent: undefined };
    expect(["", "  ", "FRA", "pay drift", "ready"].every((filter) => matchesFilter(whole, filter))).toBe(true);
    expect(["x", "fraud steady"].some((filter) => matchesFilter(whole, filter))).toBe(false);
  });
});
