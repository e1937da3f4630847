import type { ReplicaGate, Serving } from "../../common/admin-api.ts";
import { orAborted } from "../core/or-aborted.ts";
import { ServingError } from "../errors.ts";
import { NEW_GATE, stepGate, type GateEvent, type GateState, type GateStep } from "../traffic/gate-state.ts";

/** What a gate needs of the model behind it. */
export interface GatedModel {
  /** Makes this version answer requests which name none; undefined: none does. Takes effect before it returns. */
  activate(serving: Serving | undefined): void;
}

export interface ModelGateOptions {
  readonly model: GatedModel;
  /** Called after each change of the state; after a fence with the time that it stood. */
  readonly onChange: (state: GateState, heldMs: number | undefined) => void;
  /** In ms, monotonic. */
  readonly now: () => number;
}

/**
 * Lets requests that name no version through, lets them wait, or turns them away, as the operator says: the replica's
 * part of a version switch. The decisions are {@link stepGate}'s.
 */
export class ModelGate {
  readonly #options: ModelGateOptions;
  #state: GateState = NEW_GATE;
  #opening: PromiseWithResolvers<void> | undefined;
  #held = 0;
  #fencedAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ModelGateOptions) {
    this.#options = options;
  }

  /** What the operator is told of it. */
  describe(): ReplicaGate {
    const { kind, last } = this.#state;
    return {
      kind,
      term: last.term,
      held: this.#held,
      ...(this.#state.kind !== "Unjoined" && { epoch: this.#state.epoch }),
    };
  }

  /**
   * What a request has to wait for before it asks for a version; undefined: nothing. After the promise, ask again. It
   * rejects with ServingError (Unavailable) if the replica cannot know any more which version may answer, and with the
   * reason of `signal`.
   */
  hold(signal: AbortSignal): Promise<void> | undefined {
    if (this.#state.kind !== "Fenced" || this.#opening === undefined) return undefined;
    return this.#wait(this.#opening.promise, signal);
  }

  /** Takes in what happened. Whatever was held goes on only after the model has the version that the new state means. */
  tell(event: GateEvent): GateStep["refused"] {
    const before = this.#state;
    const { state, refused } = stepGate(before, event);
    this.#state = state;
    if (state !== before) this.#enter(state, before);
    return refused;
  }

  /** Stops waiting for anything. */
  close(): void {
    clearTimeout(this.#timer);
    this.#opening?.reject(new ServingError("Unavailable", "the replica stops"));
    this.#opening = undefined;
  }

  async #wait(opening: Promise<void>, signal: AbortSignal): Promise<void> {
    this.#held++;
    try {
      await orAborted(opening, signal);
    } finally {
      this.#held--;
    }
  }

  #enter(state: GateState, before: GateState): void {
    const { model, onChange, now } = this.#options;
    if (state.kind === "Fenced") {
      if (before.kind !== "Fenced") this.#fencedAtMs = now();
      if (this.#opening === undefined) {
        this.#opening = Promise.withResolvers();
        // That nobody waits is no fault.
        this.#opening.promise.catch(() => {});
      }
      this.#watch(state.untilMs);
    } else if (state.kind === "Serving") {
      model.activate(state.serving);
      this.#open((opening) => opening.resolve());
    } else if (state.kind === "Unsure" && before.kind !== "Unsure") {
      model.activate(undefined);
      const error = new ServingError(
        "Unavailable",
        "the version is being switched, and how far that is is not known here",
      );
      this.#open((opening) => opening.reject(error));
    }
    if (state.kind !== before.kind || ("epoch" in state && "epoch" in before && state.epoch !== before.epoch))
      onChange(state, before.kind === "Fenced" && state.kind !== "Fenced" ? now() - this.#fencedAtMs : undefined);
  }

  #open(settle: (opening: PromiseWithResolvers<void>) => void): void {
    clearTimeout(this.#timer);
    const opening = this.#opening;
    this.#opening = undefined;
    if (opening !== undefined) settle(opening);
  }

  #watch(untilMs: number): void {
    clearTimeout(this.#timer);
    // Timers may fire a little early; one that does looks again.
    this.#timer = setTimeout(
      () => {
        this.tell({ kind: "expired", nowMs: this.#options.now() });
        if (this.#state.kind === "Fenced") this.#watch(this.#state.untilMs);
      },
      Math.max(1, untilMs - this.#options.now()),
    );
  }
}
