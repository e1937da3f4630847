import type { InferenceService } from "./inferenceservice.gen.ts";
import { modelSpecOf } from "./runtime-config-of.ts";

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
