import { ServingError } from "../../errors.ts";
import { parseVersion } from "../../protocol/model-path.ts";
import type { InferTarget } from "../../serving/infer-path.ts";

/** The model and version that a request names; no version, or an empty one, is the active one. Throws ServingError. */
export function v2Target(name: string, version: string): InferTarget {
  if (name === "") throw new ServingError("InvalidArgument", "model name: expected one, got none");
  return { model: name, version: v2Version(version) };
}

/** Throws ServingError (NotFound) for what cannot be a version. */
export function v2Version(version: string): number | undefined {
  if (version === "") return undefined;
  const number = parseVersion(version);
  if (number !== undefined) return number;
  throw new ServingError("NotFound", "model version: expected an integer, got another word");
}
