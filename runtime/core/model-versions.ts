import type { Serving } from "../../common/admin-api.ts";
import type { ModelConfig } from "../../common/runtime-config.ts";
import { ServingError } from "../errors.ts";
import type { AspiredVersion } from "./aspiration.ts";
import { failureOf, publishedStateOf } from "./harness.ts";
import type { ModelDescription } from "./model-description.ts";
import type { VersionSnapshot } from "./next-action.ts";
import { ServableVersion } from "./servable-version.ts";
import type { ModelStatus, ServableHandle, VersionStatus } from "./servable.ts";

/** The versions of one model that are here, or shall be, for those who borrow them and those who tell of them. */
export class ModelVersions {
  readonly #config: ModelConfig;
  readonly #versions = new Map<number, ServableVersion>();
  #aspired: readonly AspiredVersion[] | undefined;
  #active: ServableVersion | undefined;
  /** What the operator said last; where versions switch by themselves, nothing. */
  #directed: Serving | undefined;

  constructor(config: ModelConfig) {
    this.#config = config;
  }

  get #labels(): Readonly<Record<string, number>> {
    return this.#isDirected ? (this.#directed?.labels ?? {}) : this.#config.versionLabels;
  }

  get #isDirected(): boolean {
    return this.#config.switchedBy === "Operator";
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
      `${name} has no version ${version} here, expected one of ${this.#aspired.map((one) => one.version).join(", ")}`,
    );
  }

  /** The version that a label stands for. Throws ServingError (NotFound). */
  versionOf(label: string): number {
    const { name } = this.#config;
    const known = this.#labels;
    const version = Object.hasOwn(known, label) ? known[label] : undefined;
    if (version !== undefined) return version;
    const labels = Object.keys(known);
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
      labels: this.#labels,
    };
  }

  describe(): Omit<ModelDescription, "listingFailure" | "listed" | "rewritten" | "isServing"> {
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
    return this.#aspired.every(({ version }) => this.#versions.get(version)?.state.kind === "ready");
  }

  /** Whether what the operator means is loaded: the version under its digest, and those of the labels. */
  isPrepared({ version, digest, labels }: Serving): boolean {
    const found = this.#versions.get(version);
    const isRight = digest === undefined || found?.fetched?.digest === digest;
    const isReady = (number: number): boolean => this.#versions.get(number)?.state.kind === "ready";
    return isRight && [version, ...Object.values(labels)].every(isReady);
  }

  snapshots(): readonly VersionSnapshot[] {
    const aspired = new Map(this.#aspired?.map((one) => [one.version, one]));
    const pinned = new Set(
      this.#directed === undefined ? [] : [this.#directed.version, ...Object.values(this.#directed.labels)],
    );
    return [...this.#versions.values()].map(({ id: { version }, state }) => ({
      version,
      state,
      isAspired: aspired.has(version),
      isPinned: pinned.has(version),
      mustWait: this.#mustWait(aspired.get(version)?.compatibleWith),
    }));
  }

  /** What is known of a version beside its number; undefined if it is not aspired to. */
  aspirationTo(version: number): AspiredVersion | undefined {
    return this.#aspired?.find((one) => one.version === version);
  }

  /** The active version, ready to be lent. */
  get active(): ServableVersion | undefined {
    return this.#active;
  }

  get(version: number): ServableVersion | undefined {
    return this.#versions.get(version);
  }

  /** Sets which versions shall be served; those that are not here yet are new. */
  aspireTo(versions: readonly AspiredVersion[]): void {
    this.#aspired = versions;
    const { name, state } = this.#config;
    for (const { version } of versions)
      if (!this.#versions.has(version)) this.#versions.set(version, new ServableVersion({ name, version }, state));
  }

  /** Forgets what was unloaded; if it is aspired to again by now, it begins anew. */
  delete(version: number): void {
    this.#versions.delete(version);
    if (this.#aspired !== undefined && this.aspirationTo(version) !== undefined) this.aspireTo(this.#aspired);
  }

  /** Lets this version answer requests which name none, and labels stand for these; undefined: no version. */
  direct(serving: Serving | undefined): void {
    this.#directed = serving;
    this.activate();
  }

  /**
   * Chooses the active version again: the one that the operator said, if it is ready, or else, where versions switch by themselves,
   * the greatest that is. To be called whenever one has become so, or is no more.
   */
  activate(): void {
    const ready = [...this.#versions.values()].filter(({ state }) => state.kind === "ready");
    this.#active = this.#isDirected
      ? ready.find(({ id }) => id.version === this.#directed?.version)
      : ready.reduce<ServableVersion | undefined>(
          (best, one) => (best === undefined || one.id.version > best.id.version ? one : best),
          undefined,
        );
  }

  /** A version that fails again and again must not keep its successor from being loaded. */
  #mustWait(compatibleWith: number | undefined): boolean {
    const other = compatibleWith === undefined ? undefined : this.#versions.get(compatibleWith);
    return other !== undefined && other.state.kind !== "ready" && failureOf(other.state).failure === undefined;
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
