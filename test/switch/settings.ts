import { FAULTS, type FaultName } from "./faults.ts";

/** What a run of the checker does; by environment variables, so that a run can be repeated. */
export interface SwitchSettings {
  readonly seed: number;
  readonly switches: number;
  /** Goes on until there are so many, also after the last switch. */
  readonly requests: number;
  readonly replicas: number;
  readonly clients: number;
  /** Of each client, between two requests. */
  readonly pauseMs: number;
  readonly faults: readonly FaultName[];
  /** Of the switches, how many are struck by a fault, in [0, 1]. */
  readonly faultShare: number;
  readonly consistency: "Strict" | "Eventual";
}

const PREFIX = "LOCKSTEP_SWITCH_";

/** Reads the settings; what is not set is a run of some 30 seconds. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): SwitchSettings {
  const number = (name: string, fallback: number): number => Number(environment[`${PREFIX}${name}`] ?? fallback);
  const faults = environment[`${PREFIX}FAULTS`] ?? "all";
  const names = Object.keys(FAULTS) as FaultName[];
  return {
    seed: number("SEED", 1),
    switches: number("SWITCHES", 30),
    requests: number("REQUESTS", 1_000),
    replicas: number("REPLICAS", 3),
    clients: number("CLIENTS", 16),
    pauseMs: number("PAUSE_MS", 5),
    faults: faults === "all" ? names : names.filter((name) => faults.split(",").includes(name)),
    faultShare: number("FAULT_SHARE", 0.3),
    consistency: environment[`${PREFIX}CONSISTENCY`] === "Eventual" ? "Eventual" : "Strict",
  };
}
