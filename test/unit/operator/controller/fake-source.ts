import type { ListPage, ListWatch, StoredObject, WatchEvent } from "../../../../operator/controller/list-watch.ts";

export interface Thing extends StoredObject {
  readonly color?: string;
}

/** An object as fixtures write it: `thing("blue/a", 3)`. */
export function thing(key: string, version: number, extra: { color?: string; uid?: string } = {}): Thing {
  const [namespace = "", name = ""] = key.split("/");
  const { uid = `uid-${key}`, ...rest } = extra;
  return { metadata: { namespace, name, uid, resourceVersion: String(version) }, ...rest };
}

export type ListOptions = Parameters<ListWatch<Thing>["list"]>[0];
export interface WatchCall {
  readonly resourceVersion: string;
  readonly timeoutSeconds: number;
  readonly signal: AbortSignal;
  /** Sends an event. */
  readonly send: (event: WatchEvent<Thing>) => void;
  /** Ends the watch politely, or with an error. */
  readonly end: (error?: unknown) => void;
}

/** A collection whose lists and watches a test answers by hand. */
export class FakeSource implements ListWatch<Thing> {
  readonly description = "things";
  readonly lists: ListOptions[] = [];
  readonly watches: WatchCall[] = [];
  /** Answers lists. */
  onList: (options: ListOptions) => ListPage<Thing> | Promise<ListPage<Thing>> = () => page(1);

  list(options: ListOptions): Promise<ListPage<Thing>> {
    this.lists.push(options);
    return Promise.resolve().then(() => this.onList(options));
  }

  /** Ignores its signal, as the worst of connections does. */
  watch(
    options: { resourceVersion: string; timeoutSeconds: number },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<Thing>> {
    const queue: (() => IteratorResult<WatchEvent<Thing>>)[] = [];
    let wake = (): void => {};
    const put = (item: () => IteratorResult<WatchEvent<Thing>>): void => {
      queue.push(item);
      wake();
    };
    this.watches.push({
      ...options,
      signal,
      send: (event) => put(() => ({ done: false, value: event })),
      end: (error) =>
        put(() => {
          if (error !== undefined) throw error;
          return { done: true, value: undefined };
        }),
    });
    return {
      [Symbol.asyncIterator]: () => ({
        next: async () => {
          for (;;) {
            const item = queue.shift();
            if (item !== undefined) return item();
            await new Promise<void>((resolve) => {
              wake = resolve;
            });
          }
        },
      }),
    };
  }

  /** The watch that is open now. */
  get watching(): WatchCall {
    const last = this.watches.at(-1);
    if (last === undefined) throw new Error("expected a watch, there was none");
    return last;
  }
}

/** A list that fits on one page. */
export function page(resourceVersion: number, ...items: Thing[]): ListPage<Thing> {
  return { items, resourceVersion: String(resourceVersion), continue: undefined };
}

/** A refusal with an HTTP status. */
export function refusal(status: number, retryAfterMs?: number): Error {
  return Object.assign(new Error(`HTTP ${status}`), { status, retryAfterMs });
}
