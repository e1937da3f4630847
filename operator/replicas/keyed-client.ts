import type { Logger } from "../../common/logger.ts";
import { sleep, systemClock, type Clock } from "../controller/clock.ts";
import { CommandSigner } from "./command-signer.ts";
import { ReplicaClient } from "./replica-client.ts";

export interface KeyedClientOptions {
  /** The key that replicas know the operator by, in PEM; asked again where it rejects. */
  readonly privateKeyPem: (signal: AbortSignal) => Promise<string>;
  /** How long a replica may take to answer, in ms. */
  readonly timeoutMs: number;
  /** Of an answer. Default: the client's. */
  readonly maxBodyBytes?: number;
  /** What is asked for, such as `the load of replicas`, for the log. */
  readonly what: string;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

const KEY_RETRY_MS = 5_000;

/** A client of replicas that is there as soon as the operator's key is. */
export class KeyedClient {
  readonly #options: KeyedClientOptions;
  readonly #stopping = new AbortController();
  #client: ReplicaClient | undefined;
  #beginning: Promise<void> | undefined;

  constructor(options: KeyedClientOptions) {
    this.#options = options;
  }

  /** Waits for the key, and calls back when it is there. */
  start(ready: () => void): void {
    this.#beginning ??= this.#begin(ready);
  }

  /** Throws before the key is there. */
  get(): ReplicaClient {
    if (this.#client === undefined) throw new Error("unreachable: nobody is asked before the key is there");
    return this.#client;
  }

  /** Gives up to wait for the key. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error("the operator stops"));
    await this.#beginning;
  }

  /** Ends all connections. */
  async close(): Promise<void> {
    await this.#client?.close();
  }

  async #begin(ready: () => void): Promise<void> {
    const { privateKeyPem, timeoutMs, maxBodyBytes, what, logger, clock = systemClock } = this.#options;
    const { signal } = this.#stopping;
    for (;;) {
      try {
        const signer = new CommandSigner(await privateKeyPem(signal));
        signal.throwIfAborted();
        this.#client = new ReplicaClient({ signer, timeoutMs, maxBodyBytes });
        ready();
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn({ err: error }, `${what} cannot be asked for without the operator's key`);
        await sleep(clock, KEY_RETRY_MS, signal).catch(() => {});
      }
    }
  }
}
