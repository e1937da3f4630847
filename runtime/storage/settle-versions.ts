/** What a listing shows of a version: all that its manifest says, or something that tells it from other states of it. */
export type VersionSighting =
  { readonly kind: "complete" } | { readonly kind: "unknown"; readonly fingerprint: string };

/** What is remembered of one listing for the next. */
export interface SeenVersions {
  /** Complete ones. */
  readonly settled: ReadonlySet<number>;
  /** Those that may still be arriving, as they were seen. */
  readonly arriving: ReadonlyMap<number, string>;
}

/**
 * Decides which versions are complete. A manifest, which comes last, says so. A version without one is complete when two listings in
 * a row show the same of it, since nothing says what else belongs to it. At first there is nothing to compare with,
 * and a replica has nothing else to serve: then what is there is taken, and its load shows whether it can be used.
 */
export function settleVersions(
  before: SeenVersions | undefined,
  now: ReadonlyMap<number, VersionSighting>,
): SeenVersions {
  const settled = new Set<number>();
  const arriving = new Map<number, string>();
  for (const [version, sighting] of now) {
    const isSettled =
      before === undefined ||
      before.settled.has(version) ||
      sighting.kind === "complete" ||
      before.arriving.get(version) === sighting.fingerprint;
    if (isSettled) settled.add(version);
    else arriving.set(version, sighting.fingerprint);
  }
  return { settled, arriving };
}
