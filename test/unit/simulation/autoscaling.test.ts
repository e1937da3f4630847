import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, test, vi } from "vitest";
import { replaceSection, table } from "../../../build/generate/markdown.ts";
import { largestSize, mostChanges, p95Ms, secondsToGoal, sizeAt } from "./outcome.ts";
import { BEGIN_MS, LOADS, METRICS, SERVICES, type Service } from "./scenarios.ts";
import { simulate, type Outcome } from "./simulate.ts";

// They compute for some seconds, on a machine that may have others to serve.
vi.setConfig({ testTimeout: 120_000 });

const PAGE = path.join(import.meta.dirname, "../../../docs/autoscaling.md");
const CONCURRENCY = "concurrency (0.7, the default)";
const QUEUE = "queueTime (20 ms, the default)";
const CPU = "cpu 80, metrics-server at 15 s";
const SLOW_CPU = "cpu 80, metrics-server at 60 s";
const SETTLED_MS = 600_000;

const known = new Map<string, Outcome>();

/** Each is simulated once. */
function outcomeOf(service: Service, load: keyof typeof LOADS, metric: string, seed = 1): Outcome {
  const key = JSON.stringify([service.what, load, metric, seed]);
  const { lengthMs, at } = LOADS[load];
  const outcome =
    known.get(key) ??
    simulate(
      {
        model: service.model,
        rate: (nowMs) => service.requestsPerSecond * at(nowMs),
        lengthMs,
        maxReplicas: 20,
        seed,
      },
      METRICS[metric]?.(service) ?? [],
    );
  known.set(key, outcome);
  return outcome;
}

/** How long it took until the goal was met for good, in s. */
function toGoal(service: Service, load: keyof typeof LOADS, metric: string): number {
  const window = { fromMs: BEGIN_MS, untilMs: LOADS[load].lengthMs, goalMs: service.goalMs };
  return secondsToGoal(outcomeOf(service, load, metric), window) ?? Number.POSITIVE_INFINITY;
}

function refused(service: Service, load: keyof typeof LOADS, metric: string): number {
  return outcomeOf(service, load, metric).refusedMs.length;
}

describe.each(Object.values(SERVICES))("a model that computes $what, scaled on requests in flight", (service) => {
  test("meets its goal soon after a step to 8 times the load, sooner than by CPU, and refuses less", () => {
    expect(toGoal(service, "step", CONCURRENCY)).toBeLessThanOrEqual(60);
    for (const cpu of [CPU, SLOW_CPU]) {
      expect(toGoal(service, "step", CONCURRENCY)).toBeLessThanOrEqual(toGoal(service, "step", cpu));
      expect(refused(service, "step", CONCURRENCY)).toBeLessThanOrEqual(refused(service, "step", cpu));
      expect(refused(service, "spike", CONCURRENCY)).toBeLessThanOrEqual(refused(service, "spike", cpu));
    }
  });

  test("keeps its goal all along a ramp, and refuses nobody", () => {
    expect(toGoal(service, "ramp", CONCURRENCY)).toBe(0);
    expect(refused(service, "ramp", CONCURRENCY)).toBe(0);
    expect(refused(service, "ramp", CONCURRENCY)).toBeLessThanOrEqual(refused(service, "ramp", SLOW_CPU));
  });

  test.each([1, 2, 3])("stays at about one size at steady load, with the goal met (clients %i)", (seed) => {
    const outcome = outcomeOf(service, "steady", CONCURRENCY, seed);
    expect(mostChanges(outcome, SETTLED_MS, LOADS.steady.lengthMs)).toBeLessThanOrEqual(2);
    expect(p95Ms(outcome, SETTLED_MS, LOADS.steady.lengthMs)).toBeLessThanOrEqual(service.goalMs);
    expect(outcome.refusedMs.filter((atMs) => atMs >= SETTLED_MS)).toEqual([]);
  });

  test("shrinks when there is next to nothing to do, and when a spike is over", () => {
    const idle = outcomeOf(service, "idle", CONCURRENCY);
    expect(sizeAt(idle, BEGIN_MS)).toBeGreaterThan(1);
    expect(sizeAt(idle, BEGIN_MS + 420_000)).toBe(1);
    const spike = outcomeOf(service, "spike", CONCURRENCY);
    expect(sizeAt(spike, LOADS.spike.lengthMs)).toBeLessThan(largestSize(spike, BEGIN_MS) / 2);
  });
});

describe.each(Object.values(SERVICES))("a model that computes $what, scaled on queue time", (service) => {
  test("stays at about one size at steady load, for the requests in flight that are looked at beside it", () => {
    const outcome = outcomeOf(service, "steady", QUEUE);
    expect(mostChanges(outcome, SETTLED_MS, LOADS.steady.lengthMs)).toBeLessThanOrEqual(2);
    expect(p95Ms(outcome, SETTLED_MS, LOADS.steady.lengthMs)).toBeLessThanOrEqual(service.goalMs);
  });
});

test("a target above what a model computes at a time lets replicas swing between too many and too few", () => {
  const outcome = outcomeOf(SERVICES.single, "steady", "concurrency, scaleTarget 4");
  expect(p95Ms(outcome, SETTLED_MS, LOADS.steady.lengthMs)).toBeGreaterThan(SERVICES.single.goalMs);
  // A model that is batched has room for it: the same with half of the replicas.
  const batched = outcomeOf(SERVICES.batched, "steady", "concurrency, scaleTarget 4");
  expect(p95Ms(batched, SETTLED_MS, LOADS.steady.lengthMs)).toBeLessThan(SERVICES.batched.goalMs);
  expect(sizeAt(batched, LOADS.steady.lengthMs)).toBeLessThan(
    sizeAt(outcomeOf(SERVICES.batched, "steady", CONCURRENCY), LOADS.steady.lengthMs),
  );
});

test("the page about autoscaling has the results (UPDATE_GOLDEN=1 writes them anew)", () => {
  const page = readFileSync(PAGE, "utf8");
  let expected = page;
  for (const [name, service] of Object.entries(SERVICES))
    expected = replaceSection(expected, `simulation-${name}`, resultsOf(service));
  if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(PAGE, expected);
  expect(readFileSync(PAGE, "utf8")).toBe(expected);
});

function resultsOf(service: Service): string {
  const head = [
    "scaled on",
    "8x: goal met after",
    "refused",
    "replicas",
    "ramp: refused",
    "spike: refused",
    "steady: p95",
  ];
  const seconds = (value: number): string => (Number.isFinite(value) ? `${value} s` : "never");
  const rows = Object.keys(METRICS).map((metric) => {
    const step = outcomeOf(service, "step", metric);
    const steady = outcomeOf(service, "steady", metric);
    const changes = mostChanges(steady, SETTLED_MS, LOADS.steady.lengthMs);
    return [
      metric,
      seconds(toGoal(service, "step", metric)),
      String(step.refusedMs.length),
      `${sizeAt(step, LOADS.step.lengthMs)}, at most ${largestSize(step, BEGIN_MS)}`,
      String(refused(service, "ramp", metric)),
      String(refused(service, "spike", metric)),
      `${Math.round(p95Ms(steady, SETTLED_MS, LOADS.steady.lengthMs))} ms, ${sizeAt(steady, LOADS.steady.lengthMs)} replicas, ${changes} changes`,
    ];
  });
  return table(head, rows);
}
