import type { Logger } from "../../common/logger.ts";
import { sleep, systemClock } from "../controller/clock.ts";
import { CommandSigner } from "../replicas/command-signer.ts";
import { ReplicaClient } from "../replicas/replica-client.ts";
import { LoadCollector, type LoadCollectorOptions, type LoadCounts } from "./load-collector.ts";
import type { LoadSource } from "./load-source.ts";

export interface LoadOptions extends Pick<
  LoadCollectorOptions,
  "world" | "isNeeded" | "intervalMs" | "collected" | "port" | "clock"
> {
  /** The key that replicas know the operator by, in PEM; asked again where it rejects. */
  readonly privateKeyPem: (signal: AbortSignal) => Promise<string>;
  readonly logger: Logger;
}

/** What the operator knows of its replicas' load, and that it goes on to ask. */
export interface Load extends LoadSource {
  counts(): LoadCounts;
  /** Begins to ask as soon as the key is there. */
  start(): void;
  /** Ends all questions and connections. */
  stop(): Promise<void>;
}

/** A replica answers in a few ms; one that takes longer than this, in ms, is asked again later. */
const TIMEOUT_MS = 1_000;
const KEY_RETRY_MS = 5_000;

/** Makes the part of the operator that follows the load of replicas: each replica of the operator has its own. */
export function createLoad({ privateKeyPem, logger, ...options }: LoadOptions): Load {
  const stopping = new AbortController();
  const clock = options.clock ?? systemClock;
  let client: ReplicaClient | undefined;
  const collector = new LoadCollector({
    ...options,
    ask: (origin, signal) => {
      if (client === undefined)
        return Promise.reject(new Error("unreachable: nobody is asked before the key is there"));
      return client.load(origin, signal);
    },
  });

  async function begin(): Promise<void> {
    for (;;) {
      try {
        const signer = new CommandSigner(await privateKeyPem(stopping.signal));
        stopping.signal.throwIfAborted();
        client = new ReplicaClient({ signer, timeoutMs: TIMEOUT_MS });
        collector.start();
        return;
      } catch (error) {
        if (stopping.signal.aborted) return;
        logger.warn({ err: error }, "the load of replicas cannot be asked for without the operator's key");
        await sleep(clock, KEY_RETRY_MS, stopping.signal).catch(() => {});
      }
    }
  }

  let beginning: Promise<void> | undefined;
  return {
    loadOf: (key) => collector.loadOf(key),
    counts: () => collector.counts(),
    start: () => void (beginning ??= begin()),
    async stop() {
      stopping.abort(new Error("the operator stops"));
      await beginning;
      await collector.stop();
      await client?.close();
    },
  };
}
