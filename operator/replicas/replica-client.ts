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
import { parseProfile, type Profile } from "../../common/drift/profile.ts";
import {
  MONITORING_PATH,
  OUTCOMES_PATH,
  parseReplicaMonitoring,
  PROFILE_PATH,
  REFERENCE_PATH,
  type ForwardedOutcomes,
  type ReferenceAssignment,
  type ReplicaMonitoring,
} from "../../common/monitoring-api.ts";
import { startDeadline, systemClock } from "../controller/clock.ts";
import type { CommandSigner } from "./command-signer.ts";
import type { CommandOutcome } from "./replicas.ts";

export interface ReplicaClientOptions {
  readonly signer: CommandSigner;
  /** In ms; beyond what was asked to be waited for. */
  readonly timeoutMs: number;
  /** Of an answer. Default: 1 MiB. */
  readonly maxBodyBytes?: number | undefined;
}

/** A state is small: 64 models with their failures. */
const MAX_BODY_BYTES = 1024 * 1024;
/** More than there are questions: states have few revisions. */
const MAX_SIGNATURES = 1_000;
/** Commands come in bursts: what they need does not outlive them for long, as there are many replicas. */
const KEPT_AFTER_COMMAND_MS = 3_000;

/** Asks and tells replicas over HTTP. */
export class ReplicaClient {
  readonly #options: ReplicaClientOptions;
  /** For what a replica is asked again and again: one connection to each, which stays. A pool, even of one, takes 20 kB more. */
  readonly #questions: Agent;
  /** For all else, which must not wait until a question is answered. */
  readonly #others: Agent;
  /** By path, of questions: they are the same each time. */
  readonly #signatures = new Map<string, string>();

  constructor(options: ReplicaClientOptions) {
    this.#options = options;
    const limits = {
      connect: { timeout: options.timeoutMs },
      maxResponseSize: options.maxBodyBytes ?? MAX_BODY_BYTES,
    };
    this.#questions = new Agent({ ...limits, connections: 1, keepAliveTimeout: 10_000 });
    this.#others = new Agent({
      ...limits,
      keepAliveTimeout: KEPT_AFTER_COMMAND_MS,
      keepAliveMaxTimeout: KEPT_AFTER_COMMAND_MS,
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
    const { status, body } = await this.#askOften(origin, path, wait?.waitMs ?? 0, signal);
    if (status !== 200) throw new Error(`the replica answered with status ${status}`);
    return parseReplicaReport(JSON.parse(body));
  }

  /** How much a replica has to do. Throws where there is no answer, and the signal's reason. */
  async load(origin: string, signal: AbortSignal): Promise<ReplicaLoad> {
    const { status, body } = await this.#askOften(origin, LOAD_PATH, 0, signal);
    if (status !== 200) throw new Error(`the replica answered with status ${status}`);
    return parseReplicaLoad(JSON.parse(body));
  }

  /**
   * What a replica did. Undefined where it is of a release that does not tell. Throws where there is no answer, and the
   * signal's reason.
   */
  async monitoring(origin: string, signal: AbortSignal): Promise<ReplicaMonitoring | undefined> {
    const { status, body } = await this.#askOften(origin, MONITORING_PATH, 0, signal);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`the replica answered with status ${status}`);
    return parseReplicaMonitoring(JSON.parse(body));
  }

  /** The profile that a replica counts by. Undefined where it has none of that hash. Throws as {@link monitoring} does. */
  async profile(origin: string, hash: string, signal: AbortSignal): Promise<Profile | undefined> {
    const path = `${PROFILE_PATH}?hash=${encodeURIComponent(hash)}`;
    const { status, body } = await this.#send({ method: "GET", origin, path, body: "" }, 0, signal);
    if (status === 404) return undefined;
    if (status !== 200) throw new Error(`the replica answered with status ${status}`);
    return parseProfile(JSON.parse(body));
  }

  /** Hands a replica the reference of a version; whether it took it. Throws only the signal's reason. */
  assignReference(origin: string, assignment: ReferenceAssignment, signal: AbortSignal): Promise<boolean> {
    return this.#bring(origin, REFERENCE_PATH, assignment, signal);
  }

  /** Brings a replica outcomes that came to others; whether it took them. Throws only the signal's reason. */
  bringOutcomes(origin: string, forwarded: ForwardedOutcomes, signal: AbortSignal): Promise<boolean> {
    return this.#bring(origin, OUTCOMES_PATH, forwarded, signal);
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
  rebalance(origin: string, rebalance: Rebalance, signal: AbortSignal): Promise<boolean> {
    return this.#bring(origin, REBALANCE_PATH, rebalance, signal);
  }

  async close(): Promise<void> {
    await Promise.all([this.#questions.destroy(), this.#others.destroy()]);
  }

  async #bring(origin: string, path: string, what: object, signal: AbortSignal): Promise<boolean> {
    try {
      const sent = { method: "POST", origin, path, body: JSON.stringify(what) } as const;
      return (await this.#send(sent, 0, signal)).status === 204;
    } catch {
      signal.throwIfAborted();
      return false;
    }
  }

  #askOften(
    origin: string,
    path: string,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const asked = { method: "GET", path, body: "" } as const;
    let signature = this.#signatures.get(path);
    if (signature === undefined) {
      if (this.#signatures.size >= MAX_SIGNATURES) this.#signatures.clear();
      this.#signatures.set(path, (signature = this.#options.signer.signatureOf(asked)));
    }
    return this.#send({ ...asked, origin, signature, dispatcher: this.#questions }, waitMs, signal);
  }

  async #send(
    sent: {
      readonly method: "GET" | "POST";
      readonly origin: string;
      readonly path: string;
      readonly body: string;
      /** Where it is known already. */
      readonly signature?: string;
      /** Default: that of commands. */
      readonly dispatcher?: Agent;
    },
    waitMs: number,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: string }> {
    const { signer, timeoutMs } = this.#options;
    const { method, origin, path, body, dispatcher = this.#others } = sent;
    const signature = sent.signature ?? signer.signatureOf({ method, path, body });
    // Not AbortSignal.any: what it makes stays with a signal that lives long, and there are many questions.
    const deadline = startDeadline(systemClock, waitMs + timeoutMs, signal);
    try {
      const response = await request(`${origin}${path}`, {
        method,
        dispatcher,
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
