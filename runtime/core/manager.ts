import type { Serving } from "../../common/admin-api.ts";
import { ServingError } from "../errors.ts";
import type { Aspiration } from "./aspiration.ts";
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
    return [...this.#supervisors.values()].every((supervisor) => supervisor.isServing());
  }

  /** Says what shall be loaded of a model that the operator switches. Throws ServingError (NotFound) for an unknown one. */
  aspire(model: string, aspiration: Aspiration): void {
    this.#supervisorOf(model).aspire(aspiration);
  }

  /** Says which version of it answers requests that name none, at once; undefined: none does. Throws as {@link aspire}. */
  direct(model: string, serving: Serving | undefined): void {
    this.#supervisorOf(model).direct(serving);
  }

  /** Whether what is to be served is loaded, and is the right file. Throws as {@link aspire}. */
  isPrepared(model: string, serving: Serving): boolean {
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
