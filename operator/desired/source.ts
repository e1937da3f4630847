import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { modelSpecOf } from "../../common/runtime-config-of.ts";
import { contentHash } from "./content-hash.ts";

/** Which place an InferenceService's versions are numbers of: what is version 3 in one is another file in another. */
export function sourceOf(isvc: InferenceService): string {
  const { storageUri, storage } = modelSpecOf(isvc.spec.predictor);
  return contentHash({ storageUri, endpoint: storage?.endpoint });
}
