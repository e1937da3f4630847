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
  /** Why the repository could not be listed, or what is missing in it. */
  readonly listingFailure: Failure | undefined;
}
