import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { styleText } from "node:util";
import { REPLICA_FAILURES } from "../common/reasons.ts";
import { ReplicaFailureError } from "../runtime/errors.ts";
import { KeyError } from "../runtime/storage/manifest-signature.ts";
import { VersionTakenError } from "../runtime/storage/publish-version.ts";
import { StorageUriError } from "../runtime/storage/storage-uri.ts";
import { openWritablePlace, type WritablePlace } from "../runtime/storage/writable-place.ts";
import { CliError, EXIT_CODES } from "./cli-error.ts";

/** Options of all commands that go to a storage. */
export interface PlaceOptions {
  readonly endpoint?: string;
  readonly region?: string;
}

/** A URI that was written as one, or the one of a path on this machine. */
export function uriOf(place: string): string {
  return /^[a-z0-9]+:\/\//.test(place) ? place : pathToFileURL(resolve(place)).href;
}

/** Opens a place that holds versions. The caller disposes of it. Throws {@link CliError}. */
export function openPlace(place: string, { endpoint, region }: PlaceOptions): WritablePlace {
  const uri = uriOf(place);
  if (endpoint !== undefined && !uri.startsWith("s3://"))
    throw new CliError(`--endpoint is the address of an S3-compatible server: it needs s3://BUCKET/NAME, got ${place}`);
  if (endpoint !== undefined && !/^https?:\/\/[^/@?#\s]+\/?$/.test(endpoint))
    throw new CliError(`--endpoint: expected an address such as http://localhost:9000, got ${endpoint}`);
  try {
    return openWritablePlace(uri, { endpoint, region, environment: process.env });
  } catch (error) {
    throw cliErrorOf(error, place);
  }
}

/** What the user can do about a failure; other errors are passed on. `subject` is what it was about. */
export function cliErrorOf(error: unknown, subject: string): unknown {
  if (error instanceof StorageUriError)
    return new CliError(error.message.replace("storageUri", subject), { cause: error });
  if (error instanceof VersionTakenError)
    return new CliError(
      `${error.message}\n  Versions never change. Leave out --version for the next free number; lockstep versions shows what is there.`,
      { cause: error, exitCode: EXIT_CODES.taken.code },
    );
  if (error instanceof KeyError) return new CliError(`${subject}: ${error.message}`, { cause: error });
  if (!(error instanceof ReplicaFailureError)) return error;
  return new CliError(`${styleText("red", `${subject}: ${error.reason}`)}\n  ${error.message}\n  ${remedyOf(error)}`, {
    cause: error,
  });
}

/** The list's remedies are for a cluster: what to do about a storage is in its messages here. */
function remedyOf({ reason }: ReplicaFailureError): string {
  if (reason === "StorageAccessDenied" || reason === "StorageUnreachable" || reason === "StorageNotFound")
    return "Check the address, --endpoint, and the keys: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.";
  return REPLICA_FAILURES[reason].remedy;
}
