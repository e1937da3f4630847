import type { Failure, HarnessState } from "./harness.ts";

/** A model as its supervisor sees it, for those who tell of it. */
export interface ModelDescription {
  readonly name: string;
  /** The version that answers requests which name none, or would, if it were ready. */
  readonly activeVersion: number | undefined;
  /** Whether the model answers; what is still to be loaded beside what answers does not count. */
  readonly isReady: boolean;
  /** Ascending. */
  readonly versions: readonly {
    readonly version: number;
    readonly state: HarnessState;
    readonly digest: string | undefined;
    readonly sizeBytes: number | undefined;
  }[];
  /** Complete versions in the repository, ascending, when it was last listed; undefined before that. */
  readonly listed: readonly number[] | undefined;
  /** Versions on the disk whose files in the repository are others by now, ascending. */
  readonly rewritten: readonly number[];
  /** Why the repository could not be listed, or what is missing in it. */
  readonly listingFailure: Failure | undefined;
}
