import type { ModelStatus, VersionStatus } from "../../core/servable.ts";
import { ServingError } from "../../errors.ts";
import type { RestRequest } from "../rest-route.ts";
import { quoteName } from "../wording.ts";

/** A version, as TensorFlow Serving's model status tells of it. */
export interface ModelVersionStatus {
  /** A number, as JSON of protobuf has integers of 64 bits. */
  readonly version: string;
  readonly state: "START" | "LOADING" | "AVAILABLE" | "UNLOADING" | "END";
  readonly status: { readonly error_code: string; readonly error_message: string };
}

const STATES = {
  LOADING: "LOADING",
  READY: "AVAILABLE",
  UNLOADING: "UNLOADING",
  UNAVAILABLE: "END",
} as const satisfies Record<VersionStatus["state"], ModelVersionStatus["state"]>;

/** All versions of a model, the newest first. */
export function modelVersionStatuses({ versions }: ModelStatus): readonly ModelVersionStatus[] {
  return versions.map(modelVersionStatus).reverse();
}

function modelVersionStatus({ version, state, reason }: VersionStatus): ModelVersionStatus {
  const hasFailed = state === "UNAVAILABLE" && reason !== "";
  return {
    version: String(version),
    state: STATES[state],
    status: { error_code: hasFailed ? "UNKNOWN" : "OK", error_message: hasFailed ? reason : "" },
  };
}

/** One version. Throws ServingError (NotFound) for one that is not known of. */
export function versionStatus(model: ModelStatus, version: number): ModelVersionStatus {
  const known = model.versions.find((each) => each.version === version);
  if (known !== undefined) return modelVersionStatus(known);
  throw new ServingError("NotFound", `Could not find version ${version} of model ${quoteName(model.name)}`);
}

/** The model that the variable `model` of a path names. Throws ServingError (NotFound, or MethodNotAllowed for a verb). */
export function findModel(models: readonly ModelStatus[], { model: name = "" }: RestRequest["params"]): ModelStatus {
  if (/:(?:predict|classify|regress|explain)$/i.test(name)) {
    throw new ServingError("MethodNotAllowed", "method: expected POST, got another");
  }
  const model = models.find((each) => each.name === name);
  if (model !== undefined) return model;
  throw new ServingError("NotFound", `Could not find any versions of model ${quoteName(name)}`);
}
