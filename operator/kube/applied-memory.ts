import { appliedDigestOf } from "./digest.ts";
import type { KubeObject } from "./object.ts";

/** Far more than one operator's objects. The oldest are forgotten, which costs one apply without effect each. */
const MAX_OBJECTS = 50_000;

interface Applied {
  readonly desiredDigest: string;
  /** Which fields we owned in the answer to our apply. */
  readonly appliedDigest: string;
  readonly resourceVersion: string | undefined;
}

/**
 * Remembers what was applied, so that the same need not be sent again. It proves that an object still has all we want:
 * a change of any of our fields by somebody else takes that field from us, which the digest shows.
 */
export class AppliedMemory {
  readonly #byUid = new Map<string, Applied>();

  /** Whether applying `desired` (as a digest) to an object, as it was last seen, would change nothing. */
  proves(live: KubeObject, desiredDigest: string): boolean {
    const applied = this.#byUid.get(live.metadata.uid ?? "");
    return applied?.desiredDigest === desiredDigest && applied.appliedDigest === appliedDigestOf(live.metadata);
  }

  /** The resource version of the answer to our last apply. */
  resourceVersionOf(uid: string | undefined): string | undefined {
    return this.#byUid.get(uid ?? "")?.resourceVersion;
  }

  /** Takes down the answer to an apply. */
  remember({ metadata }: KubeObject, desiredDigest: string): void {
    const appliedDigest = appliedDigestOf(metadata);
    if (metadata.uid === undefined || appliedDigest === undefined) return;
    this.#byUid.delete(metadata.uid);
    this.#byUid.set(metadata.uid, { desiredDigest, appliedDigest, resourceVersion: metadata.resourceVersion });
    if (this.#byUid.size <= MAX_OBJECTS) return;
    const oldest = this.#byUid.keys().next();
    if (oldest.done !== true) this.#byUid.delete(oldest.value);
  }

  forget(uid: string): void {
    this.#byUid.delete(uid);
  }
}
