import { expect, onTestFinished, test } from "vitest";
import type { ReplicaLoad } from "../../../../common/admin-api.ts";
import { LoadCollector, type LoadCollectorOptions } from "../../../../operator/load/load-collector.ts";
import type { PodObject } from "../../../../operator/observed/observation.ts";
import { settle, VirtualClock } from "../controller/virtual-clock.ts";
import { inferenceService, replica } from "../fixtures.ts";
import { load } from "./load-samples.ts";

const KEY = "blue/digits";

/** A collector over pods that tests change, and what it has asked. */
class Collection {
  readonly clock = new VirtualClock();
  readonly rounds: number[] = [];
  pods: PodObject[] = [];
  isNeeded = true;
  open = 0;
  mostOpen = 0;
  asked: string[] = [];
  /** How a replica answers; by default at once, with its time since the test's beginning. */
  answer: (origin: string, signal: AbortSignal) => Promise<ReplicaLoad> = () =>
    Promise.resolve(load({ takenAtMs: this.clock.nowMs() }));
  readonly collector: LoadCollector;

  constructor(options: Partial<LoadCollectorOptions> = {}) {
    this.collector = new LoadCollector({
      world: { inferenceServices: () => [inferenceService()], podsOf: (key) => (key === KEY ? this.pods : []) },
      isNeeded: () => this.isNeeded,
      ask: async (origin, signal) => {
        this.asked.push(origin);
        this.mostOpen = Math.max(this.mostOpen, ++this.open);
        try {
          return await this.answer(origin, signal);
        } finally {
          this.open--;
        }
      },
      intervalMs: 1_000,
      collected: ({ durationMs }) => void this.rounds.push(durationMs),
      clock: this.clock,
      nowMs: () => this.clock.nowMs(),
      ...options,
    });
    this.collector.start();
    onTestFinished(() => this.collector.stop());
  }

  times(): (readonly [string, number])[] {
    return this.collector.loadOf(KEY).map(({ podName, samples }) => [podName, samples.length] as const);
  }
}

function running(name: string, podIP = "10.0.0.1"): PodObject {
  return replica(name, { pod: { podIP } }).pod;
}

/** Does not answer before it is called off. */
function silent(_origin: string, signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

test("asks each replica that runs once in an interval, at its admin port", async () => {
  const collection = new Collection();
  const pending = replica("pending", { pod: { containerStatuses: [] } }).pod;
  collection.pods = [running("a", "10.0.0.1"), running("b", "fd00::2"), pending];
  await collection.clock.advance(3_500);
  expect(collection.times()).toEqual([
    ["a", 3],
    ["b", 3],
  ]);
  expect(new Set(collection.asked)).toEqual(new Set(["http://10.0.0.1:8081", "http://[fd00::2]:8081"]));
  expect(collection.collector.counts()).toEqual({ asked: 2, silent: 0 });
  expect(collection.rounds).toHaveLength(3);
});

test("asks nobody whom nobody wants to know of, and forgets pods that are gone", async () => {
  const collection = new Collection();
  collection.pods = [running("a"), running("b")];
  await collection.clock.advance(1_500);
  collection.pods = [running("b")];
  await collection.clock.advance(1_000);
  expect(collection.times()).toEqual([["b", 2]]);
  collection.isNeeded = false;
  await collection.clock.advance(1_000);
  expect(collection.times()).toEqual([]);
  const before = collection.asked.length;
  await collection.clock.advance(5_000);
  expect(collection.asked).toHaveLength(before);
});

test("calls off the question to a pod that is gone", async () => {
  const collection = new Collection();
  collection.pods = [running("a")];
  collection.answer = silent;
  await collection.clock.advance(1_500);
  expect(collection.open).toBe(1);
  collection.pods = [];
  await collection.clock.advance(1_000);
  expect(collection.open).toBe(0);
});

test("does not ask a replica whose last question is open, and lets no other wait for it", async () => {
  const collection = new Collection();
  collection.pods = [running("slow", "10.0.0.9"), running("b")];
  collection.answer = (origin, signal) =>
    origin.includes("10.0.0.9")
      ? silent(origin, signal)
      : Promise.resolve(load({ takenAtMs: collection.clock.nowMs() }));
  await collection.clock.advance(10_500);
  expect(collection.asked.filter((origin) => origin.includes("10.0.0.9"))).toHaveLength(1);
  expect(collection.times()).toEqual([
    ["slow", 0],
    ["b", 10],
  ]);
});

test("asks a replica that does not answer less and less often, and at the usual pace once it does", async () => {
  const collection = new Collection();
  collection.pods = [running("a")];
  const { answer } = collection;
  collection.answer = () => Promise.reject(new Error("no answer"));
  await collection.clock.advance(60_500);
  expect(collection.asked.length).toBeGreaterThan(10);
  expect(collection.asked.length).toBeLessThan(20);
  expect(collection.collector.counts()).toEqual({ asked: 1, silent: 1 });
  collection.answer = answer;
  await collection.clock.advance(6_000);
  collection.asked = [];
  await collection.clock.advance(10_000);
  expect(collection.asked).toHaveLength(10);
  expect(collection.collector.counts()).toEqual({ asked: 1, silent: 0 });
});

test("keeps no samples of a process that is gone", async () => {
  const collection = new Collection();
  collection.pods = [running("a")];
  await collection.clock.advance(3_500);
  collection.answer = () => Promise.resolve(load({ instance: "b", takenAtMs: 5 }));
  await collection.clock.advance(1_000);
  expect(collection.collector.loadOf(KEY)[0]?.samples.map(({ load: { instance } }) => instance)).toEqual(["b"]);
});

test("has few questions open at a time, and comes to all replicas", async () => {
  const collection = new Collection();
  collection.pods = Array.from({ length: 300 }, (_, index) => running(`pod-${index}`));
  const answers: (() => void)[] = [];
  collection.answer = () =>
    new Promise((resolve) => void answers.push(() => resolve(load({ takenAtMs: collection.clock.nowMs() }))));
  await collection.clock.advance(1_000);
  while (collection.asked.length < 300 || answers.length > 0) {
    answers.splice(0).forEach((give) => give());
    await settle();
  }
  expect(collection.mostOpen).toBe(64);
  expect(collection.times().every(([, count]) => count === 1)).toBe(true);
});

test("ends with all its questions when it is stopped", async () => {
  const collection = new Collection();
  collection.pods = Array.from({ length: 100 }, (_, index) => running(`pod-${index}`));
  collection.answer = silent;
  await collection.clock.advance(1_500);
  await collection.collector.stop();
  expect([collection.open, collection.clock.pending]).toEqual([0, 0]);
});
