import type { InferenceService } from "../common/inferenceservice.gen.ts";
import { CliError } from "./cli-error.ts";

/** The version to go back to. Throws CliError where there is none, or it is served already. */
export function rollbackVersion({ metadata, status }: InferenceService, wanted: number | undefined): number {
  const version = wanted ?? status?.previousVersion;
  if (version === undefined)
    throw new CliError(
      `${metadata.name} has served no other version before, as far as is known: say which with --to VERSION`,
    );
  if (version === status?.activeVersion) throw new CliError(`${metadata.name} serves version ${version} already`);
  return version;
}
