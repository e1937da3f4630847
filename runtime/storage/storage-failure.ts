import type { ReplicaFailureReason } from "../../common/reasons.ts";
import { ReplicaFailureError } from "../errors.ts";

/** What can go wrong with a storage, as the replica reports it. */
export type StorageFailureReason = Extract<
  ReplicaFailureReason,
  | "StorageNotFound"
  | "VersionNotFound"
  | "VersionRewritten"
  | "StorageAccessDenied"
  | "StorageUnreachable"
  | "ChecksumMismatch"
  | "ManifestInvalid"
  | "SignatureInvalid"
  | "StorageFull"
  | "UnsafeModelFile"
  | "InternalError"
>;

/** A storage that did not do what was asked. `transient` means that trying again at once may help. */
export class StorageFailure extends ReplicaFailureError {
  override name = "StorageFailure";
  readonly transient: boolean;

  constructor(
    reason: StorageFailureReason,
    message: string,
    options?: { readonly cause?: unknown; readonly transient?: boolean },
  ) {
    super(reason, message, options);
    this.transient = options?.transient ?? false;
  }
}

/** The `code` of a system error, such as ENOENT, or undefined. */
export function systemErrorCode(thrown: unknown): string | undefined {
  if (!(thrown instanceof Error) || !("code" in thrown)) return undefined;
  return typeof thrown.code === "string" ? thrown.code : undefined;
}
