import { Agent, request } from "undici";
import {
  COMMAND_PATH,
  LOAD_PATH,
  parseCommandRefusal,
  parseReplicaLoad,
  parseReplicaReport,
  REBALANCE_PATH,
  SIGNATURE_HEADER,
  STATE_PATH,
  type Rebalance,
  type ReplicaCommand,
  type ReplicaLoad,
  type ReplicaReport,
} from "../../common/admin-api.ts";
import { startDeadline, systemClock } from "../controller/clock.ts";
import type { CommandSigner } from "./command-signer.ts";
import type { CommandOutcome } from "./replicas.ts";

export interface ReplicaClientOptions {
  readonly signer: CommandSigner;
  /** In ms; beyond what was asked to be waited for. */
  readonly timeoutMs: number;
}

/** A state is small: 64 models with their failures. */
const MAX_BODY_BYTES = 1024 * 1024;

/** Asks and tells replicas over HTTP. */
export class ReplicaClient {
  readonly #options: ReplicaClientOptions;
  readonly #agent: Agent;
  /** Of the question for the load, which is the same each time: it is asked often. */
  #loadSignature: string | undefined;

  constructor(options: ReplicaClientOptions) {
    this.#options = options;
    this.#agent = new Agent({
      connect: { timeout: options.timeoutMs },
      maxResponseSize: MAX_BODY_BYTES,
      keepAliveTimeout: 10_000,
    });
  }

  /**
   * How a replica is; with `seen` as soon as its revision is another one, or after `waitMs`. Throws where there is no
   * answer, and the signal's reason.
   */
  async ask(
    origin: string,
    wait: { seen: number; waitMs: number } | undefined,
    signal: AbortSignal,
  ): Promise<ReplicaReport> {
    const path = wait === undefined ? STATE_PATH : `${STATE_PATH}?seen=${wait.seen}&waitMs=${wait.waitMs}`;
    const { status, body } = await this.#send({ method: "GET", origin, path, body: "" }, wait?.waitMs ?? 0, signal);
    if (status !== 200) throw new Error(`the replica answered with status ${status}`);
    return parseReplicaReport(JSON.parse(body));
  }

  /** How much a replica has to do. Throws where there is no answer, and the signal's reason. */
  async load(origin: string, signal: AbortSignal): Promise<ReplicaLoad> {
    const asked = { method: "GET", path: LOAD_PATH, body: "" } as const;
    const signature = (this.#loadSignature ??= this.#options.signer.signatureOf(asked));
    const { status, body } = await this.#send({ ...asked, origin, signature }, 0, signal);
    if (status !== 200) throw new Error(`the replica answered with status ${status}`);
    return parseReplicaLoad(JSON.parse(body));
  }

  /** Tells a replica to do something, and how it is afterwards. Throws only the signal's reason. */
  async tell(
    origin: string,
    command: ReplicaCommand,
    signal: AbortSignal,
  ): Promise<{ readonly outcome: CommandOutcome; readonly report: ReplicaReport | undefined }> {
    try {
      const { status, body } = await this.#send(
        { method: "POST", origin, path: COMMAND_PATH, body: JSON.stringify(command) },
        0,
        signal,
      );
      if (status === 200) return { outcome: { kind: "done" }, report: parseReplicaReport(JSON.parse(body)) };
      if (status === 409) {
        const { refused: why, message, report } = parseCommandRefusal(JSON.parse(body));
        return { outcome: { kind: "refused", why, message }, report };
      }
    } catch {
      signal.throwIfAborted();
    }
    return { outcome: { kind: "unanswered" }, report: undefined };
  }

  /** Asks a replica to rebalance its connections; whether it does. Throws only the signal's reason. */
  async rebalance(origin: string, rebalance: Rebalance, signal: AbortSignal): Promise<boolean> {
    try {
      const sent = { method: "POST", origin, path: REBALANCE_PATH, body: JSON.stringify(rebalance) } as const;
      return (await this.#send(sent, 0, signal)).status === 204;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(
    sent: {
      readonly method: "GET" | "POST";
      readonly origin: string;
      readonly path: string;
      readonly body: string;
      /** Where it is known already. */
      readonly signature?: string;
    },
    waitMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { signer, timeoutMs } = this.#options;
    const { method, origin, path, body, signature = signer.signatureOf({ method, path, body }) } = sent;
    // Not AbortSignal.any: what it makes stays with a signal that lives long, and there are many questions.
    const deadline = startDeadline(systemClock, waitMs + timeoutMs, signal);
    try {
      const response = await request(`${origin}${path}`, {
        method,
        dispatcher: this.#agent,
        signal: deadline.signal,
        headers: {
          [SIGNATURE_HEADER]: signature,
          ...(method === "POST" && { "content-type": "application/json" }),
        },
        ...(method === "POST" && { body }),
      });
      return { status: response.statusCode, body: await response.body.text() };
    } finally {
      deadline.clear();
    }
  }
}
