const STARTED = 0;
const ENDED = 1;

/** Counts the runs of one thread where another one can see them, even while the first is deep in native code. */
export class Heartbeat {
  /** What the other thread needs for a view of its own. */
  readonly memory: SharedArrayBuffer;
  readonly #counts: Int32Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#counts = new Int32Array(memory);
  }

  /** A run begins. */
  begin(): void {
    Atomics.add(this.#counts, STARTED, 1);
  }

  /** A run that began has ended. */
  end(): void {
    Atomics.add(this.#counts, ENDED, 1);
  }

  /** The run that goes on, by a number that no other one has soon; undefined if there is none. */
  running(): number | undefined {
    const ended = Atomics.load(this.#counts, ENDED);
    return Atomics.load(this.#counts, STARTED) === ended ? undefined : ended;
  }
}
