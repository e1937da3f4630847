import path from "node:path";
import { setTimeout } from "node:timers/promises";
import type { BenchModel } from "./bench-models.ts";
import type { InProcessJob, InProcessResult } from "./in-process.ts";
import type { LoadCase } from "./load-cases.ts";
import type { LoadResult, Pacing } from "./loadgen/job.ts";
import { LatencyHistogram } from "./loadgen/latency-histogram.ts";
import { runLoad } from "./loadgen/run-load.ts";
import type { DecodeJob } from "./decode-json.ts";
import type { RunningPeer } from "./peers/run-peer.ts";
import { runPinned } from "./pinned-process.ts";
import { parseMetrics, valueOf } from "./prometheus-text.ts";
import type { DecodeRound, Failures, LatencyRound, LoadRound, OverloadFactor, OverloadRound } from "./results.ts";
import { targetOf, type Encoding } from "./wire/encoding.ts";

/** How long each measurement takes. */
export interface Durations {
  readonly warmupMs: number;
  readonly measureMs: number;
}

/** Rejections: too many requests, or not now. */
const REJECTIONS: ReadonlySet<string> = new Set(["429", "503", "grpc 8", "grpc 14"]);
/** So many seconds after an overload are looked at, at most. */
const LONGEST_RECOVERY_SECONDS = 10;
const RECOVERED_SHARE = 0.9;
/** More than any queue of the server, so that it is the server that rejects. */
const OVERLOAD_CONNECTIONS = 2_000;
/** Until its queues are full. */
const OVERLOAD_WARMUP_MS = 2_000;
/** The server is to be idle between two loads; sockets are closed, and queues run empty. */
const PAUSE_MS = 100;

/** One round of a closed loop. */
export async function measureLoad(
  server: RunningPeer,
  { connections, streams }: Pick<LoadCase, "connections" | "streams">,
  encoding: Encoding,
  durations: Durations,
): Promise<LoadRound> {
  const result = await load(server, encoding, { kind: "closed", connections, streams }, durations);
  const good = result.outcomes["ok"];
  const latencies = latenciesOf(result, isGood);
  const answered = good?.count ?? 0;
  return {
    cpuMsPerRequest: (result.serverCpuSeconds * 1000) / answered,
    requestsPerSecond: answered / result.seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    residentBytes: result.serverResidentBytes,
    failures: failuresOf(result, isGood),
    generatorCpuShare: result.generatorCpuShare,
  };
}

/** One round of: a single client, then an open loop at half of `capacityPerSecond`. */
export async function measureLatency(
  server: RunningPeer,
  { connections, encoding }: Pick<LoadCase, "connections" | "encoding">,
  capacityPerSecond: number,
  durations: Durations,
): Promise<LatencyRound> {
  const unloaded = await load(server, encoding, { kind: "closed", connections: 1, streams: 1 }, durations);
  const pacing: Pacing = { kind: "open", connections, streams: 1, requestsPerSecond: capacityPerSecond / 2 };
  const half = await load(server, encoding, pacing, durations);
  const latencies = latenciesOf(half, () => true);
  return {
    unloadedP50Ms: latenciesOf(unloaded, isGood).quantile(0.5),
    requestsPerSecond: countOf(half, isGood) / half.seconds,
    p50Ms: latencies.quantile(0.5),
    p99Ms: latencies.quantile(0.99),
    failures: failuresOf(half, isGood),
  };
}

/** One round of: the peak in a closed loop, an open loop at several times that, and the closed loop again. */
export async function measureOverload(
  server: RunningPeer,
  { connections, streams, encoding }: Pick<LoadCase, "connections" | "streams" | "encoding">,
  factor: OverloadFactor,
  durations: Durations,
): Promise<OverloadRound> {
  const peak = await measureLoad(server, { connections, streams }, encoding, durations);
  const offeredPerSecond = peak.requestsPerSecond * factor;
  const result = await load(
    server,
    encoding,
    { kind: "open", connections: OVERLOAD_CONNECTIONS, streams: 1, requestsPerSecond: offeredPerSecond },
    { ...durations, warmupMs: OVERLOAD_WARMUP_MS },
  );
  let recoverySeconds = Number.POSITIVE_INFINITY;
  for (let second = 1; second <= LONGEST_RECOVERY_SECONDS && recoverySeconds === Number.POSITIVE_INFINITY; second++) {
    const after = await measureLoad(server, { connections, streams }, encoding, { warmupMs: 0, measureMs: 1_000 });
    if (after.requestsPerSecond >= RECOVERED_SHARE * peak.requestsPerSecond) recoverySeconds = second;
  }
  const isRejection = (outcome: string): boolean => REJECTIONS.has(outcome);
  return {
    factor,
    recoverySeconds,
    peakPerSecond: peak.requestsPerSecond,
    offeredPerSecond,
    goodputPerSecond: countOf(result, isGood) / result.seconds,
    rejectedPerSecond: countOf(result, isRejection) / result.seconds,
    rejectionP99Ms: latenciesOf(result, isRejection).quantile(0.99),
    goodP99Ms: latenciesOf(result, isGood).quantile(0.99),
    failures: failuresOf(result, (outcome) => isGood(outcome) || isRejection(outcome)),
  };
}

/** Rows per CPU second of onnxruntime alone. */
export async function measureLimit(model: BenchModel, batch: number, durations: Durations): Promise<number> {
  const job: InProcessJob = { file: model.file, inputs: model.inputs, batch, ...durations };
  const file = path.join(import.meta.dirname, "in-process.ts");
  return (await runPinned<InProcessResult>("server", file, job)).rowsPerCpuSecond;
}

/** Both ways to decode, in turn. */
export async function measureDecode(job: DecodeJob): Promise<readonly DecodeRound[]> {
  return await runPinned<readonly DecodeRound[]>("server", path.join(import.meta.dirname, "decode-json.ts"), job);
}

/** The p99 of the event loop's delay since it was asked for last; undefined if the server does not tell. */
export async function scrapeEventLoopDelayMs(server: RunningPeer): Promise<number | undefined> {
  const response = await fetch(`http://127.0.0.1:${server.ports.http}/metrics`);
  if (!response.ok) return undefined;
  const seconds = valueOf(parseMetrics(await response.text()), "lockstep_event_loop_delay_seconds", {
    quantile: "0.99",
  });
  return seconds === undefined ? undefined : seconds * 1000;
}

async function load(
  server: RunningPeer,
  encoding: Encoding,
  pacing: Pacing,
  durations: Durations,
): Promise<LoadResult> {
  const target = targetOf(server.model, encoding, server.ports);
  const result = await runLoad({ target, pacing, ...durations, serverPid: server.pid });
  await setTimeout(PAUSE_MS);
  return result;
}

/** Requests that were answered as asked. */
export function isGood(outcome: string): boolean {
  return outcome === "ok";
}

/** Why requests failed, and how often. */
export function failuresOf({ outcomes, unanswered }: LoadResult, isFine: (outcome: string) => boolean): Failures {
  const failed = Object.entries(outcomes).filter(([outcome]) => !isFine(outcome));
  const counts = failed.map(([outcome, { count }]) => [outcome, count] as const);
  return Object.fromEntries(unanswered === 0 ? counts : [...counts, ["no answer", unanswered]]);
}

export function countOf({ outcomes }: LoadResult, counts: (outcome: string) => boolean): number {
  return Object.entries(outcomes).reduce((sum, [outcome, { count }]) => sum + (counts(outcome) ? count : 0), 0);
}

export function latenciesOf({ outcomes }: LoadResult, counts: (outcome: string) => boolean): LatencyHistogram {
  const all = LatencyHistogram.empty();
  for (const [outcome, { latencies }] of Object.entries(outcomes)) {
    if (counts(outcome)) all.add(LatencyHistogram.fromCounts(latencies));
  }
  return all;
}
