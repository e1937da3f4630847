import type { ServableHandle, Servables } from "../core/servable.ts";
import { ServingError } from "../errors.ts";

const MODEL_NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,251}[A-Za-z0-9])?$/;
const VERSION = /^(?:0|[1-9][0-9]{0,14})$/;

/** Reads the name of a model from a path segment that is already percent-decoded; undefined if no model can have it. */
export function parseModelName(segment: string): string | undefined {
  return MODEL_NAME.test(segment) ? segment : undefined;
}

/** Reads a version from a path segment: digits without leading zeros; undefined if it is anything else. */
export function parseVersion(segment: string): number | undefined {
  return VERSION.test(segment) ? Number(segment) : undefined;
}

/**
 * Lends the version that the variables `model` and `version` of a path name; without `version` the active one. Throws
 * ServingError (NotFound, Unavailable).
 */
export function acquireByPath(servables: Servables, params: Readonly<Record<string, string>>): ServableHandle {
  const { model, version } = params;
  const name = model === undefined ? undefined : parseModelName(model);
  if (name === undefined) throw new ServingError("NotFound", "path: expected the name of a model, got none");
  if (version === undefined) return servables.acquire(name);
  const number = parseVersion(version);
  if (number === undefined)
    throw new ServingError("NotFound", "path: expected an integer as version, got another word");
  return servables.acquire(name, number);
}

/** Whether a version is loaded. Throws ServingError (NotFound) for one that is not served at all. */
export function isLoadedByPath(servables: Servables, params: Readonly<Record<string, string>>): boolean {
  try {
    acquireByPath(servables, params)[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof ServingError && error.code === "Unavailable") return false;
    throw error;
  }
}
