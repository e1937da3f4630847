import type { StateBinding } from "../../common/runtime-config.ts";
import { ServingError } from "../errors.ts";
import { publishedStateOf, transition, type HarnessEvent, type HarnessState } from "./harness.ts";
import type { FetchedVersion } from "./repository.ts";
import type { LoadedModel, ServableHandle, ServableId, ServableView } from "./servable.ts";
import type { Signature } from "./tensor.ts";

/** One version of one model: its state, what is loaded of it, and the handles that are out. */
export class ServableVersion {
  readonly id: ServableId;
  readonly #bindings: readonly StateBinding[];
  #state: HarnessState = { kind: "new" };
  #fetched: FetchedVersion | undefined;
  #model: LoadedModel | undefined;
  #handles = 0;
  #drained: (() => void) | undefined;
  #wasReady = false;

  /** `state` are the model's, as configured. */
  constructor(id: ServableId, state: readonly StateBinding[] = []) {
    this.id = id;
    this.#bindings = state;
  }

  get state(): HarnessState {
    return this.#state;
  }

  get handles(): number {
    return this.#handles;
  }

  /** What is on the disk of it; undefined before it was fetched. */
  get fetched(): FetchedVersion | undefined {
    return this.#fetched;
  }

  /** Of the loaded model; undefined while there is none. */
  get signature(): Signature | undefined {
    return this.#model?.signature;
  }

  /** Whether it has been ready, whatever it is now. */
  get wasReady(): boolean {
    return this.#wasReady;
  }

  /** Moves the state on. Throws for an event that cannot happen now. */
  step(event: HarnessEvent): void {
    this.#state = transition(this.#state, event);
    this.#wasReady ||= this.#state.kind === "ready";
  }

  /** Makes a version that is quiescing ready again; nobody need wait for its handles any more. */
  recall(): void {
    this.step({ kind: "recalled" });
    this.#drained?.();
    this.#drained = undefined;
  }

  keepFetched(fetched: FetchedVersion): void {
    this.#fetched = fetched;
  }

  /** Takes over the model, to dispose of it in {@link unload}. */
  keepModel(model: LoadedModel): void {
    this.#model = model;
  }

  /** Lends the version. Throws ServingError (Unavailable) if it is not ready. */
  lend(): ServableHandle {
    if (this.#state.kind !== "ready" || this.#model === undefined || this.#fetched === undefined)
      throw new ServingError(
        "Unavailable",
        `version ${this.id.version} of model "${this.id.name}" is not available: it is in state ${publishedStateOf(this.#state)}`,
      );
    this.#handles++;
    return new Handle(
      { id: this.id, digest: this.#fetched.digest, signature: this.#model.signature, state: this.#bindings },
      this.#model,
      () => this.#takeBack(),
    );
  }

  /** Resolves when no handle is out, or the version is called back. */
  async waitForHandles(): Promise<void> {
    if (this.#handles > 0) await new Promise<void>((resolve) => (this.#drained = resolve));
  }

  /** Frees the model's memory. Waits for runs that are under way. */
  async unload(): Promise<void> {
    const model = this.#model;
    this.#model = undefined;
    await model?.[Symbol.asyncDispose]();
  }

  #takeBack(): void {
    this.#handles--;
    if (this.#handles === 0) this.#drained?.();
  }
}

class Handle implements ServableHandle {
  readonly id: ServableId;
  readonly digest: string;
  readonly signature: Signature;
  readonly state: readonly StateBinding[];
  readonly model: LoadedModel;
  #release: (() => void) | undefined;

  constructor(view: ServableView, model: LoadedModel, release: () => void) {
    this.id = view.id;
    this.digest = view.digest;
    this.signature = view.signature;
    this.state = view.state;
    this.model = model;
    this.#release = release;
  }

  [Symbol.dispose](): void {
    const release = this.#release;
    this.#release = undefined;
    release?.();
  }
}
