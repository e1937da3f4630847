import { keyOf, type StoredObject } from "./list-watch.ts";

/** The values under which an index finds an object. */
export type IndexFunction<T> = (object: T) => readonly string[];

/** Objects by key, and by whatever else they are looked up. */
export class ObjectCache<T extends StoredObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexes = new Map<string, { of: IndexFunction<T>; keys: Map<string, Set<string>> }>();

  constructor(indexes: Readonly<Record<string, IndexFunction<T>>>) {
    for (const [name, of] of Object.entries(indexes)) this.#indexes.set(name, { of, keys: new Map() });
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  list(): T[] {
    return [...this.#objects.values()];
  }

  /** Throws where there is no index of that name. */
  byIndex(name: string, value: string): T[] {
    const index = this.#indexes.get(name);
    if (index === undefined)
      throw new Error(`expected one of the indexes ${[...this.#indexes.keys()].join(", ")}, got ${name}`);
    const found: T[] = [];
    for (const key of index.keys.get(value) ?? []) {
      const object = this.#objects.get(key);
      if (object !== undefined) found.push(object);
    }
    return found;
  }

  /** Puts an object in the place of the one with its key. Returns that one. */
  set(object: T): T | undefined {
    const key = keyOf(object);
    const old = this.delete(key);
    this.#objects.set(key, object);
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(object)) {
        const set = keys.get(value);
        if (set === undefined) keys.set(value, new Set([key]));
        else set.add(key);
      }
    }
    return old;
  }

  /** Takes an object out and returns it. */
  delete(key: string): T | undefined {
    const old = this.#objects.get(key);
    if (old === undefined) return undefined;
    this.#objects.delete(key);
    for (const { of, keys } of this.#indexes.values()) {
      for (const value of of(old)) {
        const set = keys.get(value);
        set?.delete(key);
        if (set?.size === 0) keys.delete(value);
      }
    }
    return old;
  }
}
