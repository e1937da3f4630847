import type { FetchedVersion } from "./repository.ts";

/** The memory that a process may use, of its container or, where that has no limit or the system has less, of the system. */
export interface MemoryState {
  readonly limitBytes: number;
  /** Without what the kernel gives back when it is asked, such as the cache of files. */
  readonly usedBytes: number;
}

/** A thread with its heap, and what the engine sets up in it: 21 to 24 MiB were measured for each instance. */
const INSTANCE_BYTES = 24 * 1024 ** 2;
/**
 * While a model is loaded its file and what is made of it are there at the same time: 1.8 to 2.1 times the file were measured for
 * each instance, of models that multiply matrices or look into tables.
 */
const FILE_FACTOR = 2;
/** For the requests that are answered meanwhile. */
const MARGIN_BYTES = 32 * 1024 ** 2;

/** How much memory the load of a version takes at its peak, estimated from the size of its files. */
export function memoryNeedOf({ sizeBytes }: Pick<FetchedVersion, "sizeBytes">, instances: number): number {
  return instances * (INSTANCE_BYTES + FILE_FACTOR * sizeBytes);
}

/**
 * Why a version must not be loaded, for people; undefined if it may be. `reservedBytes` are for other loads that are
 * under way. One that nothing else answers for (`isOnly`) is loaded if there is any hope: the need is an estimate, and there is nothing to lose.
 */
export function memoryShortage(
  fetched: Pick<FetchedVersion, "sizeBytes" | "modelSizeBytes">,
  instances: number,
  { limitBytes, usedBytes }: MemoryState,
  { reservedBytes, isOnly }: { readonly reservedBytes: number; readonly isOnly: boolean },
): string | undefined {
  if (isOnly) {
    if (fetched.modelSizeBytes <= limitBytes) return undefined;
    return `the model's file has ${mebibytes(fetched.modelSizeBytes)}, and the limit is ${mebibytes(limitBytes)}`;
  }
  const neededBytes = memoryNeedOf(fetched, instances) + MARGIN_BYTES;
  const freeBytes = Math.max(0, limitBytes - usedBytes - reservedBytes);
  if (neededBytes <= freeBytes) return undefined;
  return (
    `to load it beside what answers takes about ${mebibytes(neededBytes)}, ` +
    `and ${mebibytes(freeBytes)} of ${mebibytes(limitBytes)} are free`
  );
}

function mebibytes(bytes: number): string {
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}
