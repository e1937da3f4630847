import type { InferenceService } from "../common/inferenceservice.gen.ts";
import { modelSpecOf } from "../common/runtime-config-of.ts";
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

/**
 * A merge patch that pins a version. The policy is replaced, since `latest` would go forward again at once; what else
 * is said of the model stays.
 */
export function rollbackPatch({ spec }: InferenceService, version: number): object {
  const versionPolicy = { latest: null, all: null, specific: { versions: [version] } };
  const { onnx } = spec.predictor;
  if (onnx === undefined) return { spec: { predictor: { model: { versionPolicy } } } };
  // The shorthand has no room for a policy.
  const { modelFormat, storageUri } = modelSpecOf(spec.predictor);
  return {
    spec: {
      predictor: {
        onnx: null,
        model: { ...onnx, modelFormat, storageUri, versionPolicy: { specific: versionPolicy.specific } },
      },
    },
  };
}
