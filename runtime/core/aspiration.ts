import type { Serving } from "../../common/admin-api.ts";

/** A version that is wanted: whatever is there under its number, or exactly the file that has this digest. */
export interface WantedVersion {
  readonly version: number;
  readonly digest?: string;
}

/** Clients of `clientsOf` must be able to use `version`, or it is refused. */
export interface SuitingRule {
  readonly version: number;
  readonly clientsOf: number;
}

/** What shall be loaded of a model. */
export interface Aspiration {
  readonly versions: readonly WantedVersion[];
  /** One of them, whose clients another one must suit; the former is loaded first. */
  readonly suiting?: SuitingRule | undefined;
  /** How often the repository is listed; 0 means never again. */
  readonly pollIntervalMs: number;
}

/** Whether a version was made the active one; `message` says what it lacks. */
export type Activation = { readonly kind: "activated" } | { readonly kind: "not-prepared"; readonly message: string };

/** What a version must be to become active. */
export type Activatable = Pick<Serving, "version" | "digest">;
