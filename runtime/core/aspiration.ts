/** A version that shall be loaded. */
export interface AspiredVersion {
  readonly version: number;
  /** What its model file must be; undefined: whatever is there. */
  readonly digest?: string | undefined;
  /** Another version, whose clients this one must suit, too. */
  readonly compatibleWith?: number | undefined;
}

/** What shall be loaded of a model, and how often its repository is looked at. */
export interface Aspiration {
  readonly versions: readonly AspiredVersion[];
  /** 0 means never again. */
  readonly pollIntervalMs: number;
}
