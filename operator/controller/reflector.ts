import type { Logger } from "../../common/logger.ts";
import { backOffMs, retryAfterMsOf, type BackOff } from "./back-off.ts";
import { DeadlineError, sleep, startDeadline, type Clock } from "./clock.ts";
import { statusOf, type ListWatch, type StoredObject, type WatchEvent } from "./list-watch.ts";

/** Where a reflector puts what it learns. Its methods do not throw. */
export interface ReflectorSink<T> {
  /** The whole collection, which replaces what was known. */
  replace(items: readonly T[]): void;
  /** One change. */
  change(event: Exclude<WatchEvent<T>, { kind: "bookmark" }>): void;
}

/** The times a reflector works with, all in ms. */
export interface ReflectorTiming {
  /** How long a list may take, page by page. */
  readonly listTimeoutMs: number;
  /** The server is asked to end each watch after a random time between these two. */
  readonly watchMinMs: number;
  readonly watchMaxMs: number;
  /** A watch that the server has not ended this much later is taken to be dead. */
  readonly watchGraceMs: number;
  /** A watch that lived this long ends a series of failures. */
  readonly healthyAfterMs: number;
  readonly backOff: BackOff;
}

/** A dead connection is noticed within 43 s, an outage's end within 15 s. */
export const REFLECTOR_TIMING: ReflectorTiming = {
  listTimeoutMs: 30_000,
  watchMinMs: 30_000,
  watchMaxMs: 38_000,
  watchGraceMs: 5_000,
  healthyAfterMs: 5_000,
  backOff: { baseMs: 200, maxMs: 15_000 },
};

/** Why a reflector starts over, for metrics. */
export type RestartReason = "listFailed" | "watchFailed" | "watchSilent" | "watchShort" | "expired";

export interface ReflectorOptions<T> {
  readonly listWatch: ListWatch<T>;
  readonly sink: ReflectorSink<T>;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timing: ReflectorTiming;
  readonly pageSize: number;
  readonly onRestart?: (reason: RestartReason) => void;
}

/** The longest wait that a server can ask for. */
const LONGEST_RETRY_AFTER_MS = 60_000;
/** A server that answers but refuses this many watches in a row may not know our resource version: list anew. */
const RELIST_AFTER_REFUSALS = 3;

/** A watch event or list item that is no object. */
class MalformedObjectError extends Error {
  override name = "MalformedObjectError";
}

/**
 * Keeps a copy of a collection true: lists, watches from there, and does so again after whatever goes wrong, until it is
 * stopped. Every wait has a deadline, so a server that falls silent is noticed too.
 */
export class Reflector<T extends StoredObject> {
  readonly #options: ReflectorOptions<T>;
  #resourceVersion: string | undefined;
  #hasSynced = false;
  #lastSignOfLifeMs: number;
  /** Failures in a row. */
  #failures = 0;
  /** Among them, watches in a row that the server itself refused. */
  #refusals = 0;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#lastSignOfLifeMs = options.clock.nowMs();
  }

  /** Whether the collection was listed once. */
  get hasSynced(): boolean {
    return this.#hasSynced;
  }

  /** Time since the server last listed, told or ended something in an orderly way, in ms. */
  get silenceMs(): number {
    return this.#options.clock.nowMs() - this.#lastSignOfLifeMs;
  }

  /** Runs until the signal is aborted. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const pauseMs = await this.#listAndWatch(signal);
      if (pauseMs > 0) await sleep(this.#options.clock, pauseMs, signal).catch(() => {});
    }
  }

  /** One list (if there is need) and one watch. Returns how long to wait before the next, in ms. */
  async #listAndWatch(signal: AbortSignal): Promise<number> {
    const { clock, timing } = this.#options;
    if (this.#resourceVersion === undefined) {
      try {
        this.#resourceVersion = await this.#list(signal);
      } catch (error) {
        return this.#failed("listFailed", error, signal);
      }
    }
    const startMs = clock.nowMs();
    try {
      await this.#watch(this.#resourceVersion, signal);
    } catch (error) {
      if (clock.nowMs() - startMs >= timing.healthyAfterMs) this.#failures = 0;
      return this.#watchFailed(error, signal);
    }
    this.#refusals = 0;
    if (clock.nowMs() - startMs >= Math.min(timing.healthyAfterMs, timing.watchMinMs / 2)) {
      this.#failures = 0;
      this.#isAlive();
      return 0;
    }
    // Servers that end each watch at once must not be asked in a tight loop.
    return this.#failed("watchShort", undefined, signal);
  }

  async #list(signal: AbortSignal): Promise<string> {
    const { listWatch, sink } = this.#options;
    const { items, resourceVersion } = await this.#listPages(signal).catch((error: unknown) => {
      // The continue token expired between two pages: ask for all at once, which no token can spoil.
      if (statusOf(error) === 410) return this.#withDeadline(signal, (inner) => listWatch.list({}, inner));
      throw error;
    });
    const good = items.filter((item) => this.#isObject(item));
    if (signal.aborted) throw signal.reason;
    sink.replace(good);
    this.#hasSynced = true;
    this.#isAlive();
    return resourceVersion;
  }

  async #listPages(signal: AbortSignal): Promise<{ items: readonly T[]; resourceVersion: string }> {
    const { listWatch, pageSize } = this.#options;
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const token = next === undefined ? {} : { continue: next };
      const page = await this.#withDeadline(signal, (inner) => listWatch.list({ limit: pageSize, ...token }, inner));
      items.push(...page.items);
      next = page.continue;
      if (next === undefined) return { items, resourceVersion: page.resourceVersion };
    }
  }

  async #withDeadline<R>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<R>): Promise<R> {
    const deadline = startDeadline(this.#options.clock, this.#options.timing.listTimeoutMs, signal);
    try {
      return await untilAborted(call(deadline.signal), deadline.signal);
    } finally {
      deadline.clear();
    }
  }

  async #watch(resourceVersion: string, signal: AbortSignal): Promise<void> {
    const { clock, timing, listWatch, random, sink } = this.#options;
    const wishedMs = timing.watchMinMs + random() * (timing.watchMaxMs - timing.watchMinMs);
    const timeoutSeconds = Math.max(1, Math.round(wishedMs / 1000));
    const deadline = startDeadline(clock, timeoutSeconds * 1000 + timing.watchGraceMs, signal);
    let events: AsyncIterator<WatchEvent<T>> | undefined;
    try {
      events = listWatch.watch({ resourceVersion, timeoutSeconds }, deadline.signal)[Symbol.asyncIterator]();
      for (;;) {
        const next = await untilAborted(events.next(), deadline.signal);
        if (next.done === true) return;
        this.#take(next.value, sink);
      }
    } finally {
      deadline.clear();
      // Not awaited: an iterator that hangs must not hang the reflector.
      void Promise.resolve(events?.return?.()).catch(() => {});
    }
  }

  #take(event: WatchEvent<T>, sink: ReflectorSink<T>): void {
    if (event.kind === "bookmark") {
      this.#resourceVersion = event.resourceVersion;
    } else {
      if (!isStoredObject(event.object)) throw new MalformedObjectError("expected an object with a name and version");
      sink.change(event);
      this.#resourceVersion = event.object.metadata.resourceVersion;
    }
    this.#refusals = 0;
    this.#isAlive();
  }

  #watchFailed(error: unknown, signal: AbortSignal): number {
    const status = statusOf(error);
    if (status === 410) {
      this.#resourceVersion = undefined;
      return this.#failed("expired", error, signal);
    }
    // Malformed events come again from the same resource version; a list gets past them.
    if (
      (status !== undefined && status !== 429) ||
      error instanceof MalformedObjectError ||
      error instanceof SyntaxError
    ) {
      this.#refusals += 1;
    }
    if (this.#refusals >= RELIST_AFTER_REFUSALS) {
      this.#resourceVersion = undefined;
      this.#refusals = 0;
    }
    return this.#failed(error instanceof DeadlineError ? "watchSilent" : "watchFailed", error, signal);
  }

  #failed(reason: RestartReason, error: unknown, signal: AbortSignal): number {
    if (signal.aborted) return 0;
    const { listWatch, logger, timing, random, onRestart } = this.#options;
    this.#failures += 1;
    const pauseMs = Math.max(
      reason === "expired" && this.#failures === 1 ? 0 : backOffMs(timing.backOff, this.#failures, random()),
      Math.min(retryAfterMsOf(error) ?? 0, LONGEST_RETRY_AFTER_MS),
    );
    const fields = { collection: listWatch.description, reason, failures: this.#failures, pauseMs };
    if (error === undefined || reason === "expired") logger.info(fields, "watch starts over");
    else logger.warn({ ...fields, err: error }, "watch starts over");
    onRestart?.(reason);
    return pauseMs;
  }

  #isObject(item: unknown): item is T {
    if (isStoredObject(item)) return true;
    this.#options.logger.error({ collection: this.#options.listWatch.description }, "list item is no object, skipped");
    return false;
  }

  #isAlive(): void {
    this.#lastSignOfLifeMs = this.#options.clock.nowMs();
  }
}

function isStoredObject(
  object: unknown,
): object is StoredObject & { readonly metadata: { readonly resourceVersion: string } } {
  const metadata = (object as { metadata?: { name?: unknown; resourceVersion?: unknown } | null } | null)?.metadata;
  return typeof metadata?.name === "string" && typeof metadata.resourceVersion === "string";
}

/** The promise's outcome, or the signal's reason if that comes first, whatever the promise's maker does with the signal. */
async function untilAborted<R>(promise: Promise<R>, signal: AbortSignal): Promise<R> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    onAbort = () => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
