import type { Failure, HarnessState } from "./harness.ts";

/** A model as its supervisor sees it, for those who tell of it. */
export interface ModelDescription {
  readonly name: string;
  readonly activeVersion: number | undefined;
  /** Ascending. */
  readonly versions: readonly {
    readonly version: number;
    readonly state: HarnessState;
    readonly digest: string | undefined;
    readonly sizeBytes: number | undefined;
  }[];
  /** Complete versions in the repository when it was last listed, ascending; undefined before that. */
  readonly listed: readonly number[] | undefined;
  /** Versions on the disk whose files in the repository are others by now. */
  readonly rewritten: readonly number[];
  /** Whether the model answers as it should, whatever else is being loaded. */
  readonly isServing: boolean;
  /** Why the repository could not be listed, or what is missing in it. */
  readonly listingFailure: Failure | undefined;
}
