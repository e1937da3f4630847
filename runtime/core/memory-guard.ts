import { ReplicaFailureError } from "../errors.ts";
import { memoryNeedOf, memoryShortage, type MemoryState } from "./memory-need.ts";
import type { FetchedVersion } from "./repository.ts";

/** Keeps loads from taking the memory that what answers needs. One for all models of a process. */
export class MemoryGuard {
  readonly #read: () => Promise<MemoryState | undefined>;
  #reservedBytes = 0;

  /** `read` resolves with undefined where it cannot be known: then every load is let in. It never rejects. */
  constructor(read: () => Promise<MemoryState | undefined>) {
    this.#read = read;
  }

  /**
   * Sets memory aside for the load of a version, until the result is disposed of. `isOnly` says that nothing else of its
   * model answers. Throws ReplicaFailureError (OutOfMemory) if there is too little.
   */
  async reserve(
    fetched: Pick<FetchedVersion, "sizeBytes" | "modelSizeBytes">,
    instances: number,
    isOnly: boolean,
  ): Promise<Disposable> {
    const memory = await this.#read();
    if (memory !== undefined) {
      const why = memoryShortage(fetched, instances, memory, { reservedBytes: this.#reservedBytes, isOnly });
      if (why !== undefined) throw new ReplicaFailureError("OutOfMemory", why);
    }
    const bytes = memoryNeedOf(fetched, instances);
    this.#reservedBytes += bytes;
    let isHeld = true;
    return {
      [Symbol.dispose]: () => {
        if (isHeld) this.#reservedBytes -= bytes;
        isHeld = false;
      },
    };
  }
}
