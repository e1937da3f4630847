import { createHash } from "node:crypto";
import type { Clock } from "../controller/clock.ts";

export interface ReadingRightsOptions {
  /** Asks the API server; undefined for the namespace means all of them. Rejects where the token is none. */
  readonly ask: (token: string, namespace: string | undefined, signal: AbortSignal) => Promise<boolean>;
  readonly clock: Pick<Clock, "nowMs">;
}

/** So long an answer of the API server counts: a page asks every few seconds. */
const REMEMBERED_MS = 30_000;
const MAX_REMEMBERED = 10_000;
/** So many questions are open at a time for one request. */
const CONCURRENCY = 8;

/** Which namespaces the bearer of a token may read. Remembers answers for a while, by the token's digest. */
export class ReadingRights {
  readonly #options: ReadingRightsOptions;
  readonly #known = new Map<string, { readonly allowed: boolean; readonly untilMs: number }>();

  constructor(options: ReadingRightsOptions) {
    this.#options = options;
  }

  /** The namespaces, of those given, that the bearer may read. Rejects as `ask` does. */
  async readable(token: string, namespaces: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    if (await this.#may(token, undefined, signal)) return new Set(namespaces);
    const readable = new Set<string>();
    const waiting = [...new Set(namespaces)];
    const askNext = async (): Promise<void> => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop())
        if (await this.#may(token, next, signal)) readable.add(next);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, askNext));
    return readable;
  }

  async #may(token: string, namespace: string | undefined, signal: AbortSignal): Promise<boolean> {
    const { ask, clock } = this.#options;
    const id = `${createHash("sha256").update(token).digest("base64")} ${namespace ?? "*"}`;
    const known = this.#known.get(id);
    if (known !== undefined && clock.nowMs() < known.untilMs) return known.allowed;
    const allowed = await ask(token, namespace, signal);
    this.#known.delete(id);
    this.#known.set(id, { allowed, untilMs: clock.nowMs() + REMEMBERED_MS });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MAX_REMEMBERED) break;
      this.#known.delete(oldest);
    }
    return allowed;
  }
}
