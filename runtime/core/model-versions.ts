import type { Serving } from "../../common/admin-api.ts";
import type { ModelConfig } from "../../common/runtime-config.ts";
import { ServingError } from "../errors.ts";
import type { Activatable, Activation, WantedVersion } from "./aspiration.ts";
import { failureOf, isLoading, publishedStateOf } from "./harness.ts";
import type { ModelDescription } from "./model-description.ts";
import type { VersionSnapshot } from "./next-action.ts";
import { ServableVersion } from "./servable-version.ts";
import type { ModelStatus, ServableHandle, VersionStatus } from "./servable.ts";

/** The versions of one model that are here, or shall be, for those who borrow them and those who tell of them. */
export class ModelVersions {
  readonly #config: ModelConfig;
  readonly #versions = new Map<number, ServableVersion>();
  #wanted: ReadonlyMap<number, WantedVersion> | undefined;
  #first: number | undefined;
  /** By number: a version that failed and is loaded again is the same one. With the digest of what was activated. */
  #active: Required<Activatable> | undefined;
  #labels: Readonly<Record<string, number>>;

  constructor(config: ModelConfig) {
    this.#config = config;
    this.#labels = config.switchedBy === "Itself" ? config.versionLabels : {};
  }

  /** Lends a version; without one the active one. Throws ServingError (NotFound, Unavailable). */
  lend(version: number | undefined): ServableHandle {
    const name = `model "${this.#config.name}"`;
    if (version === undefined) {
      const active = this.#active === undefined ? undefined : this.#versions.get(this.#active.version);
      if (active !== undefined) return active.lend();
      throw new ServingError("Unavailable", `${name} has no version that is available yet`);
    }
    const found = this.#versions.get(version);
    if (found !== undefined) return found.lend();
    if (this.#wanted === undefined) throw new ServingError("Unavailable", `the versions of ${name} are not known yet`);
    const expected = this.#ascending().map(({ id }) => id.version);
    throw new ServingError(
      "NotFound",
      `${name} has no version ${version} here, expected ${expected.length === 0 ? "none" : `one of ${expected.join(", ")}`}`,
    );
  }

  /** The version that a label stands for. Throws ServingError (NotFound). */
  versionOf(label: string): number {
    const version = Object.hasOwn(this.#labels, label) ? this.#labels[label] : undefined;
    if (version !== undefined) return version;
    const labels = Object.keys(this.#labels);
    const expected =
      labels.length === 0 ? "a version, since it has no labels" : `one of the labels ${labels.join(", ")}`;
    throw new ServingError("NotFound", `model "${this.#config.name}": expected ${expected}, got another label`);
  }

  status(): ModelStatus {
    return {
      name: this.#config.name,
      platform: "onnx_onnxv1",
      availableVersions: this.ready(),
      activeVersion: this.#active?.version,
      versions: this.#ascending().map(statusOf),
      labels: this.#labels,
    };
  }

  describe(): Pick<ModelDescription, "name" | "activeVersion" | "versions"> {
    return {
      name: this.#config.name,
      activeVersion: this.#active?.version,
      versions: this.#ascending().map(({ id, state, fetched }) => ({
        version: id.version,
        state,
        digest: fetched?.digest,
        sizeBytes: fetched?.sizeBytes,
      })),
    };
  }

  /** The versions that answer, ascending. */
  ready(): readonly number[] {
    return this.#ascending()
      .filter(({ state }) => state.kind === "ready")
      .map(({ id }) => id.version);
  }

  /** Whether there are versions that shall be here, and all of them are available. */
  areComplete(): boolean {
    const aspired = this.snapshots().filter(({ isAspired }) => isAspired);
    const isAllHere = [...(this.#wanted?.keys() ?? [])].every((version) => this.#isAspired(version));
    return aspired.length > 0 && isAllHere && aspired.every(({ state }) => state.kind === "ready");
  }

  /** Whether the active version answers. */
  isActiveReady(): boolean {
    return this.#active !== undefined && this.#versions.get(this.#active.version)?.state.kind === "ready";
  }

  snapshots(): readonly VersionSnapshot[] {
    return [...this.#versions.values()].map(({ id: { version }, state }) => ({
      version,
      state,
      isAspired: this.#isAspired(version),
      isFirst: version === this.#active?.version || version === this.#first,
    }));
  }

  get(version: number): ServableVersion | undefined {
    return this.#versions.get(version);
  }

  get activeVersion(): number | undefined {
    return this.#active?.version;
  }

  /**
   * The file that a version must be: the one that requests are answered by now, the one that was asked for, or the one
   * that it was before it failed. Undefined if any will do.
   */
  digestOf(version: number): string | undefined {
    if (version === this.#active?.version) return this.#active.digest;
    const known = this.#versions.get(version);
    return this.#wanted?.get(version)?.digest ?? (known?.wasReady === true ? known.fetched?.digest : undefined);
  }

  /**
   * Sets which versions shall be here beside the active one, and which one is loaded before the others. Those that are
   * on their way out stay; those that are not here are new. Returns the versions that were called back.
   */
  aspireTo(versions: readonly WantedVersion[], first?: number): readonly ServableVersion[] {
    const before = this.#wanted;
    const isOtherFirst = first !== this.#first;
    this.#wanted = new Map(versions.map((wanted) => [wanted.version, wanted]));
    this.#first = first;
    const recalled: ServableVersion[] = [];
    for (const { version, digest } of versions) {
      this.#create(version);
      const found = this.#versions.get(version);
      if (found?.state.kind === "quiescing" && this.#isAspired(version)) {
        found.recall();
        recalled.push(found);
      }
      // What was wrong with it may have been what was asked for.
      const isAskedAnew = isOtherFirst || before?.get(version)?.digest !== digest;
      if (found?.state.kind === "error" && isAskedAnew) found.step({ kind: "reconsidered" });
    }
    return recalled;
  }

  /** Forgets a version that is unloaded; if it is wanted, it is new again. */
  delete(version: number): void {
    this.#versions.delete(version);
    if (this.#isWanted(version)) this.#create(version);
  }

  /** Whether a version is being loaded that nobody wants any more. */
  isLoadedInVain(version: number): boolean {
    const found = this.#versions.get(version);
    return found !== undefined && isLoading(found.state) && !this.#isAspired(version);
  }

  /** Makes a version the active one, if it is ready and the file that is meant; undefined takes the active one away. */
  activate(serving: Serving | undefined): Activation {
    if (serving === undefined) {
      this.#active = undefined;
      return { kind: "activated" };
    }
    const found = this.#versions.get(serving.version);
    const digest = found?.fetched?.digest ?? "";
    // One that answered before it failed may be meant while it is loaded again: it answers as soon as it can.
    const isComingBack = found?.wasReady === true && (serving.digest === undefined || serving.digest === digest);
    const missing = isComingBack ? undefined : this.#missingOf(serving);
    if (missing !== undefined) return { kind: "not-prepared", message: missing };
    this.#active = { version: serving.version, digest };
    this.#labels = serving.labels;
    return { kind: "activated" };
  }

  /** Whether a version is ready and the file that is meant, and those that labels are to stand for are ready. */
  isPrepared(serving: Activatable & Partial<Pick<Serving, "labels">>): boolean {
    const ready = this.ready();
    const areLabelsReady = Object.values(serving.labels ?? {}).every((version) => ready.includes(version));
    return areLabelsReady && this.#missingOf(serving) === undefined;
  }

  /** Makes the greatest version that is ready the active one: to be called whenever one has become so, or is no more. */
  activateGreatest(): void {
    const version = this.ready().at(-1);
    const digest = version === undefined ? undefined : this.#versions.get(version)?.fetched?.digest;
    this.#active = version === undefined || digest === undefined ? undefined : { version, digest };
  }

  #missingOf({ version, digest }: Activatable): string | undefined {
    const found = this.#versions.get(version);
    const what = `version ${version} of model "${this.#config.name}"`;
    if (found?.state.kind !== "ready")
      return `${what} is not available: ${found === undefined ? "it is not loaded" : `it is in state ${publishedStateOf(found.state)}`}`;
    const got = found.fetched?.digest;
    if (digest === undefined || digest === got) return undefined;
    return `${what} is another file: expected ${digest}, got ${got}`;
  }

  #create(version: number): void {
    if (this.#versions.has(version)) return;
    const { name, state } = this.#config;
    this.#versions.set(version, new ServableVersion({ name, version }, state));
  }

  /** The active version stays until the operator has activated another; a policy that does not choose it any more lets it go. */
  #isKept(version: number): boolean {
    return version === this.#active?.version && this.#config.switchedBy === "Operator";
  }

  #isWanted(version: number): boolean {
    return this.#isKept(version) || this.#wanted?.has(version) === true;
  }

  /** Wanted, and not another file than the one that is wanted. */
  #isAspired(version: number): boolean {
    if (this.#isKept(version)) return true;
    const wanted = this.#wanted?.get(version);
    if (wanted === undefined) return false;
    const found = this.#versions.get(version);
    const isLoaded = found?.state.kind === "ready" || found?.state.kind === "quiescing";
    return wanted.digest === undefined || !isLoaded || found?.fetched?.digest === wanted.digest;
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
