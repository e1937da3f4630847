import { setTimeout as delay } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { addReports, startLoad, type LoadsReport } from "../../bench/load.ts";
import { eventually } from "./runtime-under-test.ts";

/** Answers that each load must have had before a fault, and once more after it. */
const LEAST_ANSWERS = 50;
/** A load ends by itself after this. */
const MAX_DURATION_MS = 60_000;
const LATE_MS = 1_000;
const PROBE_MS = 50;

/** Who asks a replica while something happens to it. */
export interface AskedReplica {
  readonly url: string;
  readonly model: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Strikes a replica while clients ask it, four that keep their connections and four that make a new one for each request, and
 * while somebody asks whether it is ready. Fails where a request fails, an answer takes more than a second, or the
 * replica is not ready.
 */
export async function strike(what: string, replica: AskedReplica, fault: () => Promise<void>): Promise<LoadsReport> {
  const { url, model, body, headers } = replica;
  const loads = [1_000_000, 1].map((requestsPerConnection) =>
    startLoad({
      url: `${url}/v2/models/${model}/infer`,
      body,
      clients: 4,
      pauseMs: 20,
      requestsPerConnection,
      maxDurationMs: MAX_DURATION_MS,
      ...(headers !== undefined && { headers }),
    }),
  );
  const moreAnswers = async (): Promise<void> => {
    const wanted = loads.map((load) => load.soFar().sent + LEAST_ANSWERS);
    await eventually(
      () => (loads.every((load, index) => load.soFar().sent >= (wanted[index] ?? 0)) ? true : undefined),
      () => `${LEAST_ANSWERS} answers to each load`,
    );
  };
  const readiness = watchReadiness(url);
  const stop = async (): Promise<LoadsReport> => addReports(await Promise.all(loads.map((load) => load.stop())));
  try {
    await moreAnswers();
    await fault();
    await moreAnswers();
  } catch (error) {
    console.log(`fault: ${what}: ${JSON.stringify(await stop())}`);
    throw error;
  } finally {
    await readiness.stop();
  }
  const report = await stop();
  console.log(`fault: ${what}: ${JSON.stringify(report)}`);
  expect(report).toMatchObject({ failures: {}, failed: 0, late: 0 });
  expect(readiness.answers).toEqual(new Set([200]));
  return report;
}

/** Asks again and again whether a replica is ready. */
function watchReadiness(url: string): { readonly answers: ReadonlySet<number | string>; stop(): Promise<void> } {
  const answers = new Set<number | string>();
  const over = new AbortController();
  const watching = (async () => {
    while (!over.signal.aborted) {
      try {
        const { status } = await fetch(`${url}/v2/health/ready`, { signal: AbortSignal.timeout(LATE_MS) });
        answers.add(status);
      } catch (error) {
        answers.add(String(error));
      }
      await delay(PROBE_MS);
    }
  })();
  const stop = async (): Promise<void> => {
    over.abort();
    await watching;
  };
  onTestFinished(stop);
  return { answers, stop };
}

/** Counters by series: what never goes down. */
export type Counters = ReadonlyMap<string, number>;

/** The counters of a replica's page of metrics. */
export async function countersOf(url: string): Promise<Counters> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const counters = new Map<string, number>();
  for (const line of page.split("\n")) {
    const [, series, value] = /^([a-z_]+_(?:total|bucket|count|sum)(?:\{.*\})?) (\S+)$/.exec(line) ?? [];
    if (series !== undefined) counters.set(series, Number(value));
  }
  return counters;
}

/** Sums up the series of a family that have a text among their labels. */
export function sumOf(counters: Counters, family: string, label = ""): number {
  return [...counters]
    .filter(([series]) => series.startsWith(`${family}{`) && series.includes(label))
    .reduce((sum, [, value]) => sum + value, 0);
}

/** Fails unless a replica has counted exactly so many requests, all of them answered, and none that took as long as `withinMs`. */
export async function expectCounted(url: string, sent: number, withinMs: number): Promise<Counters> {
  // What has been answered is counted a moment after the client has it.
  const counters = await eventually(
    async () => {
      const now = await countersOf(url);
      return sumOf(now, "lockstep_requests_total") >= sent ? now : undefined;
    },
    () => `${sent} requests that are counted`,
  );
  expect(sumOf(counters, "lockstep_requests_total")).toBe(sent);
  expect(sumOf(counters, "lockstep_requests_total", 'code="OK"')).toBe(sent);
  expect(sumOf(counters, "lockstep_request_duration_seconds_count")).toBe(sent);
  const seconds = sumOf(counters, "lockstep_request_duration_seconds_sum");
  expect(seconds).toBeGreaterThan(0);
  expect(seconds).toBeLessThan((sent * withinMs) / 1_000);
  return counters;
}
