import type { Serving } from "../../common/admin-api.ts";
import { ServingError } from "../errors.ts";
import type { Activatable, Activation, Aspiration } from "./aspiration.ts";
import type { ModelDescription } from "./model-description.ts";
import { ModelSupervisor, type SupervisorOptions } from "./model-supervisor.ts";
import type { ModelStatus, ServableHandle, Servables } from "./servable.ts";

export type ManagedModel = Pick<SupervisorOptions, "config" | "repository" | "select">;

export interface ManagerOptions extends Omit<SupervisorOptions, "config" | "repository" | "select"> {
  /** The models to serve, with different names. Their repositories stay the caller's. */
  readonly models: readonly ManagedModel[];
}

/** Keeps all models of a replica loaded, and lends them to requests. Models do not wait for each other. */
export class Manager implements Servables, AsyncDisposable {
  readonly #supervisors: ReadonlyMap<string, ModelSupervisor>;
  readonly #stop = new AbortController();
  #work: Promise<unknown> = Promise.resolve();

  /** Throws an Error if two models have the same name. */
  constructor(options: ManagerOptions) {
    const { models, ...common } = options;
    this.#supervisors = new Map(
      models.map((model) => [model.config.name, new ModelSupervisor({ ...common, ...model })]),
    );
    if (this.#supervisors.size < models.length) throw new Error("expected models with different names");
  }

  /** Begins to load; call it once. */
  start(): void {
    this.#work = Promise.all([...this.#supervisors.values()].map((supervisor) => supervisor.run(this.#stop.signal)));
  }

  acquire(model: string, version?: number): ServableHandle {
    return this.#supervisorOf(model).versions.lend(version);
  }

  versionOf(model: string, label: string): number {
    return this.#supervisorOf(model).versions.versionOf(label);
  }

  models(): readonly ModelStatus[] {
    return [...this.#supervisors.values()].map((supervisor) => supervisor.versions.status());
  }

  isReady(): boolean {
    return [...this.#supervisors.values()].every((supervisor) => supervisor.isReady());
  }

  /**
   * Sets what shall be loaded of a model that the operator switches; the version that is active stays, whatever is said
   * here. Returns at once. Throws ServingError (NotFound) for an unknown model, an Error for one that chooses itself.
   */
  aspire(model: string, aspiration: Aspiration): void {
    this.#supervisorOf(model).aspire(aspiration);
  }

  /**
   * Lets a version of a model that the operator switches answer the requests which name none, and the labels stand for
   * what they are said to; undefined takes the active version away, and those requests are Unavailable. Nothing changes
   * if the version is not ready, or is another file. Throws like {@link aspire}.
   */
  activate(model: string, serving: Serving | undefined): Activation {
    return this.#supervisorOf(model).activate(serving);
  }

  /**
   * Whether a version is ready and the file that is meant, and those that labels are to stand for are ready. Throws
   * ServingError (NotFound) for an unknown model.
   */
  isPrepared(model: string, serving: Activatable & Partial<Pick<Serving, "labels">>): boolean {
    return this.#supervisorOf(model).versions.isPrepared(serving);
  }

  describe(): readonly ModelDescription[] {
    return [...this.#supervisors.values()].map((supervisor) => supervisor.describe());
  }

  #supervisorOf(model: string): ModelSupervisor {
    const supervisor = this.#supervisors.get(model);
    if (supervisor === undefined) throw new ServingError("NotFound", `there is no model ${shown(model)} here`);
    return supervisor;
  }

  /** Gives up what is loading, waits for handles that are out, and unloads everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new ServingError("Unavailable", "the replica stops"));
    await this.#work;
  }
}

/** A client's word in a message: quoted, and not longer than a name can be. */
function shown(word: string): string {
  return JSON.stringify(word.length > 64 ? `${word.slice(0, 63)}…` : word);
}
