import { sleep, type Clock } from "../controller/clock.ts";
import type { Logger } from "../../common/logger.ts";
import type { PodObject } from "../observed/observation.ts";
import type { Replicas } from "../replicas/replicas.ts";
import { newcomersBeside, readyReplicas, type ReadyReplicas } from "./newcomers.ts";

export interface ConnectionBalancerOptions {
  readonly replicas: Pick<Replicas, "rebalance">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends all that is under way. */
  readonly signal: AbortSignal;
}

/** How long nodes get, in ms, to learn of a replica that is ready: before, new connections would lead to the old ones. */
const PROPAGATION_MS = 1_000;
/** Over so long, in ms, each replica spreads its connections. */
const WITHIN_MS = 4_000;
/** Replicas that are asked at a time. */
const ASKED_AT_A_TIME = 32;

/** What is remembered of a service. */
interface Balance {
  ready: ReadyReplicas;
  /** Those that became ready after the last round had begun. */
  readonly newcomers: Set<string>;
  isRunning: boolean;
}

/**
 * Lets replicas that became ready have their share of connections that were there before: the older ones are asked to let
 * their clients make new ones, which the Service spreads. One round at a time for each service. At best effort: without it,
 * connections end of age. Nobody waits for it.
 */
export class ConnectionBalancer {
  readonly #options: ConnectionBalancerOptions;
  readonly #balances = new Map<string, Balance>();

  constructor(options: ConnectionBalancerOptions) {
    this.#options = options;
  }

  /** Looks at the pods of a service; to be called with each change of them. What is seen first is how it has been. */
  observe(key: string, pods: readonly PodObject[]): void {
    const ready = readyReplicas(pods);
    const balance = this.#balances.get(key);
    if (balance === undefined) {
      this.#balances.set(key, { ready, newcomers: new Set(), isRunning: false });
      return;
    }
    for (const uid of newcomersBeside(balance.ready, ready)) balance.newcomers.add(uid);
    balance.ready = ready;
    if (balance.newcomers.size > 0 && !balance.isRunning) void this.#run(key, balance);
  }

  /** Forgets a service that is gone. */
  forget(key: string): void {
    this.#balances.delete(key);
  }

  async #run(key: string, balance: Balance): Promise<void> {
    const { clock, signal, logger } = this.#options;
    balance.isRunning = true;
    try {
      while (balance.newcomers.size > 0 && this.#balances.get(key) === balance) {
        await sleep(clock, PROPAGATION_MS, signal);
        const newcomers = new Set(balance.newcomers);
        balance.newcomers.clear();
        const older = [...balance.ready].filter(([uid]) => !newcomers.has(uid)).map(([, pod]) => pod);
        // Who came is gone again, or nobody else is left.
        if (older.length === 0 || older.length === balance.ready.size) continue;
        const asked = await this.#ask(older);
        logger.info({ inferenceService: key, newcomers: newcomers.size, asked }, "connections are rebalanced");
        await sleep(clock, WITHIN_MS, signal);
      }
    } catch (err) {
      if (!signal.aborted) logger.error({ inferenceService: key, err }, "connections could not be rebalanced");
    } finally {
      balance.isRunning = false;
    }
  }

  /** How many have done what they were asked. */
  async #ask(pods: readonly PodObject[]): Promise<number> {
    const { replicas, signal } = this.#options;
    const waiting = pods.values();
    let asked = 0;
    const askNext = async (): Promise<void> => {
      for (const pod of waiting) if (await replicas.rebalance(pod, WITHIN_MS, signal)) asked++;
    };
    await Promise.all(Array.from({ length: Math.min(ASKED_AT_A_TIME, pods.length) }, askNext));
    return asked;
  }
}
