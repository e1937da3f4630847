import type { BenchModelName } from "./bench-models.ts";
import type { LoadCaseName } from "./load-cases.ts";
import type { PeerName } from "./peers/peer.ts";
import type { Encoding } from "./wire/encoding.ts";

/** How many requests had no success, by kind, such as `503`, `ECONNRESET` or `no answer`. */
export type Failures = Readonly<Record<string, number>>;

/** One round of one server under a closed loop. */
export interface LoadRound {
  /** User and system time of all of the server's processes, by answered request. */
  readonly cpuMsPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly residentBytes: number;
  readonly failures: Failures;
  /** Near 1 the generator is what limits the requests per second; CPU per request holds all the same. */
  readonly generatorCpuShare: number;
}

/** All rounds of a server in one case; rounds of different servers with the same index were taken one after the other. */
export interface ServerLoad {
  /** What it was asked in; may differ from the case's, for a server that does not speak that. */
  readonly encoding: Encoding;
  readonly rounds: readonly LoadRound[];
}

/** Starts of a server with a model. */
export interface ServerStart {
  /** To the end of the first answer. */
  readonly startMs: readonly number[];
  /** After the first answer. */
  readonly residentBytes: readonly number[];
}

/** A server at half of what it can. */
export interface LatencyRound {
  /** One request at a time, nothing else. */
  readonly unloadedP50Ms: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failures: Failures;
}

/** How many times as much as Lockstep can answer arrives. */
export const OVERLOAD_FACTORS = [3, 5] as const;
export type OverloadFactor = (typeof OVERLOAD_FACTORS)[number];

/** Lockstep when more arrives than it can answer. */
export interface OverloadRound {
  readonly factor: OverloadFactor;
  readonly peakPerSecond: number;
  readonly offeredPerSecond: number;
  readonly goodputPerSecond: number;
  readonly rejectedPerSecond: number;
  /** NaN if nothing was rejected. */
  readonly rejectionP99Ms: number;
  readonly goodP99Ms: number;
  /** From the end of the overload until a second in which nine tenths of the peak are answered; infinite if none came soon. */
  readonly recoverySeconds: number;
  /** What was neither answered nor rejected. */
  readonly failures: Failures;
}

/** Decoding one tensor of FP32 in JSON, microseconds each. */
export interface DecodeRound {
  readonly lockstepUs: number;
  readonly jsonParseUs: number;
}

/** Something that was to be measured and could not be. */
export interface Skipped {
  readonly what: string;
  readonly why: string;
}

/** What a run has measured so far. */
export interface Results {
  readonly loads: Partial<Record<LoadCaseName, Partial<Record<PeerName, ServerLoad>>>>;
  /** Rows per CPU second of onnxruntime alone, by model and rows of a run. */
  readonly limits: Partial<Record<BenchModelName, Readonly<Record<number, readonly number[]>>>>;
  readonly starts: Partial<Record<BenchModelName, Partial<Record<PeerName, ServerStart>>>>;
  readonly latency: Partial<Record<LoadCaseName, Partial<Record<PeerName, readonly LatencyRound[]>>>>;
  readonly overload: readonly OverloadRound[];
  /** Of Lockstep's serving thread with the CNN under load. */
  readonly eventLoopDelayP99Ms: readonly number[];
  /** By how many numbers, and how they are written, such as `784 in full`. */
  readonly decode: Readonly<Record<string, readonly DecodeRound[]>>;
  readonly skipped: readonly Skipped[];
}
