/** Something that stands in an {@link ArrivalList}, in one at most. */
export abstract class ListEntry {
  // All three are the list's.
  list: object | undefined;
  previous: this | undefined;
  next: this | undefined;
}

/**
 * Things in order of arrival, which anyone can leave without cost for the others.
 *
 * For what comes and goes with each request this is used instead of Map and Set: these are rebuilt now and then, and the
 * table before points to the one after it, with all that it held. Once such a table has grown old, every later one is kept
 * until the next collection of the old generation, and so is every request that was ever in them. What leaves this list
 * points at nothing.
 */
export class ArrivalList<T extends ListEntry> implements Iterable<T> {
  #first: T | undefined;
  #last: T | undefined;
  #count = 0;

  get first(): T | undefined {
    return this.#first;
  }

  get last(): T | undefined {
    return this.#last;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds an entry, which must not be in any list, at the end. */
  push(entry: T): void {
    if (entry.list !== undefined) throw new Error("the entry is in a list");
    entry.list = this;
    entry.previous = this.#last;
    if (this.#last === undefined) this.#first = entry;
    else this.#last.next = entry;
    this.#last = entry;
    this.#count++;
  }

  /** Takes an entry out. Returns false, and does nothing, if it is not in this list. */
  remove(entry: T): boolean {
    if (entry.list !== this) return false;
    if (entry.previous === undefined) this.#first = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === undefined) this.#last = entry.previous;
    else entry.next.previous = entry.previous;
    entry.list = entry.previous = entry.next = undefined;
    this.#count--;
    return true;
  }

  /** All entries that are in it now; any of them may leave meanwhile. */
  [Symbol.iterator](): Iterator<T> {
    const entries: T[] = [];
    for (let entry = this.#first; entry !== undefined; entry = entry.next) entries.push(entry);
    return entries[Symbol.iterator]();
  }
}
