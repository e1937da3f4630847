import { KeyedClient, type KeyedClientOptions } from "../replicas/keyed-client.ts";
import type { PollCounts } from "../replicas/replica-poller.ts";
import { LoadCollector, type LoadCollectorOptions } from "./load-collector.ts";
import type { LoadSource } from "./load-source.ts";

export interface LoadOptions
  extends
    Pick<LoadCollectorOptions, "world" | "isNeeded" | "intervalMs" | "collected" | "port" | "clock">,
    Pick<KeyedClientOptions, "privateKeyPem" | "logger"> {}

/** What the operator knows of its replicas' load, and that it goes on to ask. */
export interface Load extends LoadSource {
  counts(): PollCounts;
  /** Begins to ask as soon as the key is there. */
  start(): void;
  /** Ends all questions and connections. */
  stop(): Promise<void>;
}

/** A replica answers in a few ms; one that takes longer than this, in ms, is asked again later. */
const TIMEOUT_MS = 1_000;

/** Makes the part of the operator that follows the load of replicas: each replica of the operator has its own. */
export function createLoad({ privateKeyPem, logger, ...options }: LoadOptions): Load {
  const { clock } = options;
  const client = new KeyedClient({
    privateKeyPem,
    timeoutMs: TIMEOUT_MS,
    what: "the load of replicas",
    logger,
    clock,
  });
  const collector = new LoadCollector({ ...options, ask: (origin, signal) => client.get().load(origin, signal) });
  return {
    loadOf: (key) => collector.loadOf(key),
    counts: () => collector.counts(),
    start: () => client.start(() => collector.start()),
    async stop() {
      await client.stop();
      await collector.stop();
      await client.close();
    },
  };
}
