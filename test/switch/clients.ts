import { setTimeout as delay } from "node:timers/promises";
import { Pool } from "undici";
import type { Fleet, Replica } from "./fleet.ts";
import { Recorder, type Answered } from "./history-checker.ts";

/** What clients have met, beside answers. */
export interface Tally {
  /** Answered with status 503 and Retry-After, and asked again. */
  refused: number;
  /** The connection broke, as it does when a replica is killed. */
  broken: number;
  /** Anything else: none may be. */
  readonly failures: string[];
  /** Answers of which header, body and result do not name the same version. */
  readonly mixed: string[];
}

/** Clients that ask one replica after another at random, each waiting for its answer, and write down what they see. */
export class Clients {
  readonly history = new Recorder();
  readonly tally: Tally = { refused: 0, broken: 0, failures: [], mixed: [] };
  readonly #fleet: Pick<Fleet, "replicas">;
  readonly #model: string;
  readonly #random: () => number;
  readonly #pools = new Map<string, Pool>();
  readonly #ended = new AbortController();
  readonly #work: Promise<void>[] = [];

  constructor(fleet: Pick<Fleet, "replicas">, model: string, random: () => number) {
    this.#fleet = fleet;
    this.#model = model;
    this.#random = random;
  }

  /** `pauseMs` between two requests of a client keeps the load bounded. */
  start(count: number, pauseMs: number): void {
    for (let index = 0; index < count; index++) this.#work.push(this.#run(pauseMs));
  }

  async stop(): Promise<void> {
    this.#ended.abort();
    await Promise.all(this.#work);
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  async #run(pauseMs: number): Promise<void> {
    while (!this.#ended.signal.aborted) {
      const ready = this.#fleet.replicas.filter(({ isReady }) => isReady);
      const replica = ready[Math.floor(this.#random() * ready.length)];
      if (replica === undefined) await delay(20);
      else await this.#ask(replica);
      if (pauseMs > 0) await delay(pauseMs);
    }
  }

  async #ask(replica: Replica): Promise<void> {
    const value = Math.floor(this.#random() * 1000);
    const sendMs = performance.now();
    try {
      const { statusCode, headers, body } = await this.#poolOf(replica).request({
        method: "POST",
        path: `/v2/models/${this.#model}/infer`,
        headers: { "content-type": "application/json" },
        body: `{"inputs":[{"name":"input","datatype":"FP32","shape":[1,1],"data":[${value}]}]}`,
      });
      const text = await body.text();
      const receiveMs = performance.now();
      if (statusCode === 503 && headers["retry-after"] !== undefined) {
        this.tally.refused++;
        await delay(50);
      } else if (statusCode === 200) {
        this.#note(text, String(headers["x-lockstep-model-version"]), value, {
          sendMs,
          receiveMs,
          replica: replica.number,
        });
      } else this.#fail(`status ${statusCode}: ${text.slice(0, 200)}`);
    } catch (error) {
      // A replica that was killed, or that closes a connection that was idle, takes its connections along.
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      if (/ECONNRESET|ECONNREFUSED|UND_ERR_SOCKET|UND_ERR_DESTROYED|EPIPE/.test(code)) {
        this.tally.broken++;
        await delay(20);
      } else this.#fail(code);
    }
  }

  #note(text: string, header: string, value: number, answered: Omit<Answered, "epoch">): void {
    const { model_version: said, outputs } = JSON.parse(text) as {
      model_version: string;
      outputs: { data: number[] }[];
    };
    const computed = (outputs[0]?.data[0] ?? Number.NaN) - value;
    if (String(computed) !== said || said !== header) this.tally.mixed.push(`${computed} ${said} ${header}`);
    // Every switch goes to a greater version, so that versions are in the order of epochs.
    this.history.add({ ...answered, epoch: computed });
  }

  #fail(what: string): void {
    if (this.tally.failures.length < 100) this.tally.failures.push(what);
  }

  #poolOf({ origin }: Replica): Pool {
    let pool = this.#pools.get(origin);
    if (pool === undefined) {
      pool = new Pool(origin, { connections: 64, pipelining: 1 });
      this.#pools.set(origin, pool);
    }
    return pool;
  }
}
