import { LATENCY_CASES, type LoadCaseName } from "./load-cases.ts";
import type { PeerName } from "./peers/peer.ts";
import { OVERLOAD_FACTORS, type LoadRound, type Results } from "./results.ts";
import { ratioSpread, spreadOf, type Spread } from "./statistics.ts";

/** How figures are written: `fraction` as 1/18, `times` as 5.0x, `share` in per cent. */
export type Unit = "fraction" | "times" | "share" | "ms" | "s" | "MB";

/** Something that Lockstep wants to reach. */
export interface Goal {
  readonly what: string;
  /** How it is computed, for who reads the report. */
  readonly formula: string;
  readonly unit: Unit;
  readonly bound: { readonly kind: "at most" | "at least"; readonly value: number; readonly aim?: number };
  /** Undefined if this run has not measured it. */
  readonly measure: (results: Results) => Spread | undefined;
}

export interface GoalRow extends Goal {
  readonly measured: Spread | undefined;
  /** By the median; undefined if it was not measured. */
  readonly isMet: boolean | undefined;
}

const BYTES_PER_MB = 1e6;

/** All goals; ratios are of rounds taken one after the other in the same run. */
export const GOALS: readonly Goal[] = [
  cpuGoal("iris-json", "mlserver", 1 / 18),
  cpuGoal("iris-json", "kserve", 1 / 35),
  cpuGoal("iris-json", "triton", 1 / 7),
  cpuGoal("mlp-json", "mlserver", 1 / 11),
  cpuGoal("mlp-binary", "triton-batching", 1 / 3),
  limitGoal("mlp-binary", "mlp", [64], { value: 0.3, aim: 0.4 }),
  limitGoal("cnn-binary", "cnn", [1, 8], { value: 0.9, aim: 0.95 }),
  cpuGoal("iris-grpc", "grpc-js", 0.65),
  cpuGoal("mlp-grpc", "grpc-js", 0.65),
  {
    what: "JSON of 27,648 numbers, written in full",
    formula: "time of JSON.parse and a copy / Lockstep's time",
    unit: "times",
    bound: { kind: "at least", value: 5 },
    measure: ({ decode }) => {
      const rounds = decode["27648 in full"] ?? [];
      return ratioSpread(
        rounds.map(({ jsonParseUs }) => jsonParseUs),
        rounds.map(({ lockstepUs }) => lockstepUs),
      );
    },
  },
  ...LATENCY_CASES.map((name): Goal => ({
    what: `latency of ${name} at half of capacity`,
    formula: "p99, open loop / p50 of one request at a time",
    unit: "times",
    bound: { kind: "at most", value: 3 },
    measure: ({ latency }) =>
      spreadOf((latency[name]?.lockstep ?? []).map((round) => round.p99Ms / round.unloadedP50Ms)),
  })),
  ...OVERLOAD_FACTORS.map((factor): Goal => ({
    what: `overload, ${factor} times the capacity`,
    formula: "answers per second / those at the peak",
    unit: "share",
    bound: { kind: "at least", value: factor === 3 ? 0.9 : 0.8 },
    measure: ({ overload }) =>
      spreadOf(
        overload
          .filter((round) => round.factor === factor)
          .map((round) => round.goodputPerSecond / round.peakPerSecond),
      ),
  })),
  {
    what: "recovery from overload",
    formula: "until a second with nine tenths of the peak",
    unit: "s",
    bound: { kind: "at most", value: 5 },
    measure: ({ overload }) => spreadOf(overload.map((round) => round.recoverySeconds)),
  },
  {
    what: "time of a rejection in overload",
    formula: "p99 from when the request should have gone",
    unit: "ms",
    bound: { kind: "at most", value: 5 },
    measure: ({ overload }) => spreadOf(overload.map((round) => round.rejectionP99Ms).filter(Number.isFinite)),
  },
  {
    what: "memory with mlp, under load",
    formula: "resident memory after mlp-binary's rounds",
    unit: "MB",
    bound: { kind: "at most", value: 120 },
    measure: (results) =>
      spreadOf(roundsOf(results, "mlp-binary", "lockstep").map((round) => round.residentBytes / BYTES_PER_MB)),
  },
  {
    what: "memory with mlp, after the first answer",
    formula: "resident memory",
    unit: "MB",
    bound: { kind: "at most", value: 120 },
    measure: ({ starts }) => spreadOf((starts.mlp?.lockstep?.residentBytes ?? []).map((bytes) => bytes / BYTES_PER_MB)),
  },
  {
    what: "start, with mlp",
    formula: "from the start of the process to the end of the first answer",
    unit: "ms",
    bound: { kind: "at most", value: 350 },
    measure: ({ starts }) => spreadOf(starts.mlp?.lockstep?.startMs ?? []),
  },
  {
    what: "delay of the event loop, CNN under load",
    formula: "p99 of lockstep_event_loop_delay_seconds",
    unit: "ms",
    bound: { kind: "at most", value: 20 },
    measure: ({ eventLoopDelayP99Ms }) => spreadOf(eventLoopDelayP99Ms),
  },
];

/** Judges what a run has measured. */
export function goalRows(results: Results, goals: readonly Goal[] = GOALS): GoalRow[] {
  return goals.map((goal) => {
    const measured = goal.measure(results);
    const { kind, value } = goal.bound;
    const isMet =
      measured === undefined ? undefined : kind === "at most" ? measured.median <= value : measured.median >= value;
    return { ...goal, measured, isMet };
  });
}

function cpuGoal(name: LoadCaseName, peer: PeerName, value: number): Goal {
  return {
    what: `${name} against ${peer}`,
    formula: "CPU per request / that of the other",
    unit: value < 0.5 ? "fraction" : "times",
    bound: { kind: "at most", value },
    measure: (results) => ratioSpread(cpuOf(roundsOf(results, name, "lockstep")), cpuOf(roundsOf(results, name, peer))),
  };
}

/** Against the best that onnxruntime alone does in a round, with any of the batches. */
function limitGoal(
  name: LoadCaseName,
  model: "mlp" | "cnn",
  batches: readonly number[],
  bound: { readonly value: number; readonly aim: number },
): Goal {
  return {
    what: `${name} against onnxruntime alone`,
    formula: `rows per CPU second / those in process, ${batches.join(" or ")} rows a run`,
    unit: "share",
    bound: { kind: "at least", ...bound },
    measure: (results) => {
      const rowsPerCpuSecond = cpuOf(roundsOf(results, name, "lockstep")).map((cpuMs) => 1000 / cpuMs);
      const limits = rowsPerCpuSecond.map((_, round) =>
        Math.max(0, ...batches.map((batch) => results.limits[model]?.[batch]?.[round] ?? 0)),
      );
      return ratioSpread(rowsPerCpuSecond, limits);
    },
  };
}

function roundsOf(results: Results, name: LoadCaseName, peer: PeerName): readonly LoadRound[] {
  return results.loads[name]?.[peer]?.rounds ?? [];
}

function cpuOf(rounds: readonly LoadRound[]): number[] {
  return rounds.map(({ cpuMsPerRequest }) => cpuMsPerRequest);
}
