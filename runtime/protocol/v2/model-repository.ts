import type { ModelStatus, Servables } from "../../core/servable.ts";
import { ServingError } from "../../errors.ts";
import { quoteName } from "../wording.ts";
import { statusOf } from "./metadata.ts";

/** What the repository's index tells of one version of a model; without `version` none is known yet. */
export interface RepositoryIndexEntry {
  readonly name: string;
  readonly version?: string;
  readonly state: "READY" | "LOADING" | "UNLOADING" | "UNAVAILABLE";
  readonly reason: string;
}

/** Every version that is known of, or only those that answer. */
export function repositoryIndex(
  servables: Servables,
  { isReadyOnly }: { readonly isReadyOnly: boolean },
): RepositoryIndexEntry[] {
  const entries = servables.models().flatMap(entriesOf);
  return isReadyOnly ? entries.filter(({ state }) => state === "READY") : entries;
}

function entriesOf({ name, versions }: ModelStatus): RepositoryIndexEntry[] {
  if (versions.length === 0) return [{ name, state: "UNAVAILABLE", reason: "no version is known yet" }];
  return versions.map(({ version, state, reason }) => ({ name, version: String(version), state, reason }));
}

/** There is one repository, and it has no name. Throws ServingError (NotFound) for any other. */
export function checkRepositoryName(repository: string | undefined): void {
  if (repository === undefined || repository === "") return;
  throw new ServingError("NotFound", "repository: expected none, as this server has one without a name, got another");
}

/**
 * Answers the wish to load a model: what is served is what the InferenceService says, so it is granted where it changes
 * nothing. `parameters` are the names of those given. Throws ServingError: NotFound, Unavailable while the model is not
 * loaded, Unimplemented for a wish to load something else.
 */
export function checkLoad(servables: Servables, model: string, parameters: readonly string[] = []): void {
  const { activeVersion } = statusOf(servables, model);
  const [parameter] = parameters;
  if (parameter !== undefined) {
    throw new ServingError(
      "Unimplemented",
      `parameters: expected none, because the InferenceService says what is loaded and how, got ${quoteName(parameter)}`,
    );
  }
  if (activeVersion === undefined) {
    throw new ServingError(
      "Unavailable",
      "model: expected a loaded one, got one that is not loaded: the replica loads it by itself",
    );
  }
}

/** Refuses to unload a model. Throws ServingError: NotFound, else Unimplemented. */
export function refuseUnload(servables: Servables, model: string): never {
  statusOf(servables, model);
  throw new ServingError(
    "Unimplemented",
    "model: what is loaded is what the InferenceService says: change or delete that to unload a model",
  );
}
