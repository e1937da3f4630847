import type { Logger } from "../../common/logger.ts";
import { systemClock, type Clock } from "./clock.ts";
import { keyOf, type ListWatch, type StoredObject } from "./list-watch.ts";
import { ObjectCache, type IndexFunction } from "./object-cache.ts";
import { Reflector, REFLECTOR_TIMING, type ReflectorTiming, type RestartReason } from "./reflector.ts";

/** Hears what changes in an informer's cache, after it changed there. May throw or reject: it is logged, nothing else. */
export interface InformerHandler<T> {
  /** `old` is undefined for a new object, `current` for one that is gone. */
  changed(old: T | undefined, current: T | undefined): void | Promise<void>;
}

/** Hears what an informer does, for metrics. */
export interface InformerObserver {
  changed?(change: "added" | "updated" | "deleted"): void;
  restarted?(reason: RestartReason): void;
}

export interface InformerOptions<T extends StoredObject> {
  /** One for each namespace that is watched, or a single one for all. They must not overlap. */
  readonly sources: readonly ListWatch<T>[];
  readonly logger: Logger;
  /** What is kept of an object; metadata's name, namespace, uid and resourceVersion must stay. Default: all. */
  readonly transform?: (object: T) => T;
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>>;
  /** Objects per page of a list. Default 500. */
  readonly pageSize?: number;
  readonly timing?: Partial<ReflectorTiming>;
  readonly observer?: InformerObserver;
  readonly clock?: Clock;
  readonly random?: () => number;
}

interface Change<T> {
  readonly old: T | undefined;
  readonly current: T | undefined;
}

/**
 * A copy in memory of the objects of one kind, kept true by watches. Objects in it are shared: nobody may change them.
 * A list that replaces the copy tells handlers of what vanished meanwhile, and nothing of what stayed the same.
 */
export class Informer<T extends StoredObject> {
  readonly #options: InformerOptions<T>;
  readonly #cache: ObjectCache<T>;
  readonly #reflectors: Reflector<T>[];
  readonly #handlers: InformerHandler<T>[] = [];
  readonly #stop = new AbortController();
  readonly #syncWaiters = new Set<() => void>();
  readonly #staleAfterMs: number;
  #runs: Promise<unknown> | undefined;

  constructor(options: InformerOptions<T>) {
    this.#options = options;
    const indexes = Object.entries(options.indexes ?? {});
    this.#cache = new ObjectCache(
      Object.fromEntries(indexes.map(([name, of]) => [name, this.#containedIndex(name, of)])),
    );
    const timing = { ...REFLECTOR_TIMING, ...options.timing };
    this.#staleAfterMs = 2 * timing.watchMaxMs;
    this.#reflectors = options.sources.map((listWatch) => {
      // What this source has told of: a list of one namespace must not remove what another one holds.
      const known = new Set<string>();
      return new Reflector<T>({
        listWatch,
        sink: {
          replace: (items) => this.#replace(items, known),
          change: (event) => {
            this.#tell(
              event.kind === "deleted" ? this.#remove(keyOf(event.object), known) : this.#put(event.object, known),
            );
          },
        },
        logger: options.logger,
        clock: options.clock ?? systemClock,
        random: options.random ?? Math.random,
        timing,
        pageSize: options.pageSize ?? 500,
        onRestart: (reason) => this.#contain(() => options.observer?.restarted?.(reason)),
      });
    });
  }

  /** Starts to list and watch. To be called once; after {@link stop} it does nothing. */
  start(): void {
    this.#runs ??= Promise.all(this.#reflectors.map((reflector) => reflector.run(this.#stop.signal)));
  }

  /** Stops for good; resolves when nothing runs any more. The cache stays as it is. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error("informer stopped"));
    await this.#runs;
  }

  /** Adds a handler, and tells it of all objects that are there already. */
  addHandler(handler: InformerHandler<T>): void {
    this.#handlers.push(handler);
    for (const object of this.#cache.list()) this.#contain(() => handler.changed(undefined, object));
  }

  get(key: string): T | undefined {
    return this.#cache.get(key);
  }

  list(): T[] {
    return this.#cache.list();
  }

  /** The objects that an index has under a value. Throws where there is no index of that name. */
  byIndex(name: string, value: string): T[] {
    return this.#cache.byIndex(name, value);
  }

  /** How many objects there are. */
  get size(): number {
    return this.#cache.size;
  }

  /** Whether everything was listed once, so that what is not in the cache is not there. */
  hasSynced(): boolean {
    return this.#reflectors.every((reflector) => reflector.hasSynced);
  }

  /** Resolves when {@link hasSynced}. Rejects with the signal's reason. */
  async waitForSync(signal: AbortSignal): Promise<void> {
    while (!this.hasSynced()) {
      await new Promise<void>((resolve, reject) => {
        const finish = (): void => {
          this.#syncWaiters.delete(finish);
          signal.removeEventListener("abort", finish);
          if (signal.aborted) reject(signal.reason as Error);
          else resolve();
        };
        this.#syncWaiters.add(finish);
        signal.addEventListener("abort", finish, { once: true });
        if (signal.aborted) finish();
      });
    }
  }

  /** How long the most silent of the watches has shown no sign of life, in ms. */
  lastActivityAgeMs(): number {
    return Math.max(0, ...this.#reflectors.map((reflector) => reflector.silenceMs));
  }

  /** Whether the cache can be trusted: synced, and no watch is silent for longer than two of its rounds. */
  isHealthy(): boolean {
    return this.hasSynced() && this.lastActivityAgeMs() <= this.#staleAfterMs;
  }

  /** All at once: handlers are called when the cache is complete. */
  #replace(items: readonly T[], known: Set<string>): void {
    const gone = new Set(known);
    for (const item of items) gone.delete(keyOf(item));
    const changes = [
      ...[...gone].flatMap((key) => this.#remove(key, known)),
      ...items.flatMap((item) => this.#put(item, known)),
    ];
    this.#tell(changes);
    // After this turn, when the reflector has noted that it has synced.
    queueMicrotask(() => {
      for (const waiter of this.#syncWaiters) waiter();
    });
  }

  #put(received: T, known: Set<string>): Change<T>[] {
    const current = this.#transformed(received);
    const key = keyOf(current);
    const old = this.#cache.get(key);
    if (old !== undefined && old.metadata.uid !== current.metadata.uid) {
      // Deleted and made anew while nobody looked: two changes.
      const removed = this.#remove(key, known);
      known.add(key);
      this.#cache.set(current);
      return [...removed, { old: undefined, current }];
    }
    if (old !== undefined && old.metadata.resourceVersion === current.metadata.resourceVersion) return [];
    known.add(key);
    this.#cache.set(current);
    return [{ old, current }];
  }

  #remove(key: string, known: Set<string>): Change<T>[] {
    known.delete(key);
    const old = this.#cache.delete(key);
    return old === undefined ? [] : [{ old, current: undefined }];
  }

  #transformed(object: T): T {
    try {
      return this.#options.transform?.(object) ?? object;
    } catch (error) {
      this.#options.logger.error({ key: keyOf(object), err: error }, "transform of an object failed, kept whole");
      return object;
    }
  }

  #containedIndex(name: string, of: IndexFunction<T>): IndexFunction<T> {
    return (object) => {
      try {
        return of(object);
      } catch (error) {
        this.#options.logger.error({ key: keyOf(object), index: name, err: error }, "index of an object failed");
        return [];
      }
    };
  }

  #tell(changes: readonly Change<T>[]): void {
    for (const { old, current } of changes) {
      const change = old === undefined ? "added" : current === undefined ? "deleted" : "updated";
      this.#contain(() => this.#options.observer?.changed?.(change));
      for (const handler of this.#handlers) this.#contain(() => handler.changed(old, current));
    }
  }

  #contain(call: () => void | Promise<void>): void {
    const log = (error: unknown): void => this.#options.logger.error({ err: error }, "handler of an informer failed");
    try {
      call()?.catch(log);
    } catch (error) {
      log(error);
    }
  }
}
