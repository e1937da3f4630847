import { setTimeout as delay } from "node:timers/promises";
import type { Fleet, Replica } from "./fleet.ts";
import type { TestProcess } from "../fixtures/test-process.ts";

/** What faults can strike. */
export interface Victims {
  readonly fleet: Fleet;
  /** Operators that run, the leader among them. */
  readonly operators: () => readonly TestProcess[];
  /** Cuts the operators off from the API server, or lets them through again. */
  readonly setApi: (isReachable: boolean) => void;
  readonly deletePod: (name: string) => Promise<void>;
}

/** A fault that lasts for some time and is then undone. Those that it strikes are chosen by `random`. */
type Fault = (victims: Victims, random: () => number, durationMs: number) => Promise<void>;

/** The faults that can be asked for, by name. */
export const FAULTS = {
  /** The operator's process dies; its successor waits for its lease to end, and another one is started. */
  "kill-operator": async ({ operators }, random) => {
    pick(operators(), random)?.child.kill("SIGKILL");
    await Promise.resolve();
  },
  /** The operator's process stands still, and goes on where it was, perhaps when another one leads. */
  "pause-operator": async ({ operators }, random, durationMs) => {
    await pause(pick(operators(), random), 2 * durationMs);
  },
  "kill-replica": async ({ fleet }, random) => {
    processOf(pick(fleet.replicas, random))?.child.kill("SIGKILL");
    await Promise.resolve();
  },
  "pause-replica": async ({ fleet }, random, durationMs) => {
    await pause(processOf(pick(fleet.replicas, random)), durationMs);
  },
  "delete-pod": async ({ fleet, deletePod }, random) => {
    const replica = pick(fleet.replicas, random);
    if (replica !== undefined) await deletePod(replica.podName);
  },
  /** No word of the operator reaches the replica, and none of the replica the operator; clients reach it. */
  "cut-admin": async ({ fleet }, random, durationMs) => {
    const replica = pick(fleet.replicas, random);
    replica?.proxy.set("drop");
    await delay(durationMs);
    replica?.proxy.set("none");
  },
  /** Words between operator and replica take long, and so come late and out of order. */
  "slow-admin": async ({ fleet }, random, durationMs) => {
    const replica = pick(fleet.replicas, random);
    replica?.proxy.set("delay", Math.floor(random() * 400));
    await delay(durationMs);
    replica?.proxy.set("none");
  },
  "cut-api": async ({ setApi }, _random, durationMs) => {
    setApi(false);
    await delay(durationMs);
    setApi(true);
  },
} as const satisfies Record<string, Fault>;

/** The name of a fault. */
export type FaultName = keyof typeof FAULTS;

function pick<T>(all: readonly T[], random: () => number): T | undefined {
  return all[Math.floor(random() * all.length)];
}

function processOf(replica: Replica | undefined): TestProcess | undefined {
  return replica?.process;
}

async function pause(process: TestProcess | undefined, durationMs: number): Promise<void> {
  process?.child.kill("SIGSTOP");
  await delay(durationMs);
  process?.child.kill("SIGCONT");
}
