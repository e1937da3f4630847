import type { ModelConfig } from "../../common/runtime-config.ts";
import { ServingError } from "../errors.ts";
import { failureOf, publishedStateOf } from "./harness.ts";
import type { ModelDescription } from "./model-description.ts";
import type { VersionSnapshot } from "./next-action.ts";
import { ServableVersion } from "./servable-version.ts";
import type { ModelStatus, ServableHandle, VersionStatus } from "./servable.ts";

/** The versions of one model that are here, or shall be, for those who borrow them and those who tell of them. */
export class ModelVersions {
  readonly #config: ModelConfig;
  readonly #versions = new Map<number, ServableVersion>();
  #aspired: readonly number[] | undefined;
  #active: ServableVersion | undefined;

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  /** Lends a version; without one the active one. Throws ServingError (NotFound, Unavailable). */
  lend(version: number | undefined): ServableHandle {
    if (version === undefined) {
      if (this.#active !== undefined) return this.#active.lend();
      throw new ServingError("Unavailable", `model "${this.#config.name}" has no version that is available yet`);
    }
    const found = this.#versions.get(version);
    if (found !== undefined) return found.lend();
    const name = `model "${this.#config.name}"`;
    if (this.#aspired === undefined) throw new ServingError("Unavailable", `the versions of ${name} are not known yet`);
    throw new ServingError(
      "NotFound",
      `${name} has no version ${version} here, expected one of ${this.#aspired.join(", ")}`,
    );
  }

  /** The version that a label stands for. Throws ServingError (NotFound). */
  versionOf(label: string): number {
    const { name, versionLabels } = this.#config;
    const version = Object.hasOwn(versionLabels, label) ? versionLabels[label] : undefined;
    if (version !== undefined) return version;
    const labels = Object.keys(versionLabels);
    const expected =
      labels.length === 0 ? "a version, since it has no labels" : `one of the labels ${labels.join(", ")}`;
    throw new ServingError("NotFound", `model "${name}": expected ${expected}, got another label`);
  }

  status(): ModelStatus {
    const versions = this.#ascending().map(statusOf);
    return {
      name: this.#config.name,
      platform: "onnx_onnxv1",
      availableVersions: versions.filter(({ state }) => state === "READY").map(({ version }) => version),
      activeVersion: this.#active?.id.version,
      versions,
      labels: this.#config.versionLabels,
    };
  }

  describe(): Omit<ModelDescription, "listingFailure"> {
    return {
      name: this.#config.name,
      activeVersion: this.#active?.id.version,
      versions: this.#ascending().map(({ id, state, fetched }) => ({
        version: id.version,
        state,
        digest: fetched?.digest,
        sizeBytes: fetched?.sizeBytes,
      })),
    };
  }

  /** Whether there are aspired versions, and all of them are available. */
  areComplete(): boolean {
    if (this.#aspired === undefined || this.#aspired.length === 0) return false;
    return this.#aspired.every((version) => this.#versions.get(version)?.state.kind === "ready");
  }

  snapshots(): readonly VersionSnapshot[] {
    return [...this.#versions.values()].map(({ id, state }) => ({
      version: id.version,
      state,
      isAspired: this.#aspired?.includes(id.version) === true,
    }));
  }

  get(version: number): ServableVersion | undefined {
    return this.#versions.get(version);
  }

  /** Sets which versions shall be served; those that are not here yet are new. */
  aspireTo(versions: readonly number[]): void {
    this.#aspired = versions;
    const { name, state } = this.#config;
    for (const version of versions)
      if (!this.#versions.has(version)) this.#versions.set(version, new ServableVersion({ name, version }, state));
  }

  delete(version: number): void {
    this.#versions.delete(version);
  }

  /** Chooses the active version again, the greatest that is ready: to be called whenever one has become so, or is no more. */
  activate(): void {
    let greatest: ServableVersion | undefined;
    for (const version of this.#versions.values())
      if (version.state.kind === "ready" && (greatest === undefined || version.id.version > greatest.id.version))
        greatest = version;
    this.#active = greatest;
  }

  #ascending(): ServableVersion[] {
    return [...this.#versions.values()].sort((a, b) => a.id.version - b.id.version);
  }
}

/** As the repository's index tells of it. */
function statusOf({ id: { version }, state }: ServableVersion): VersionStatus {
  const published = publishedStateOf(state);
  switch (published) {
    case "Available":
      return { version, state: "READY", reason: "" };
    case "Loading":
      return { version, state: "LOADING", reason: failureOf(state).failure?.message ?? "" };
    case "Unloading":
      return { version, state: "UNLOADING", reason: "" };
    case "Start":
    case "End":
      return { version, state: "UNAVAILABLE", reason: failureOf(state).failure?.message ?? "" };
    default:
      return published satisfies never;
  }
}
