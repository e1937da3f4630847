import type { CommandRefusal, ReplicaCommand, ReplicaGate } from "../../common/admin-api.ts";
import type { ModelConfig } from "../../common/runtime-config.ts";
import type { Manager } from "../core/manager.ts";
import { ModelGate } from "../serving/model-gate.ts";
import type { GateState } from "../traffic/gate-state.ts";
import { carryOut, type CommandedModel } from "./replica-commands.ts";

export interface SwitchedModelsOptions {
  readonly models: readonly ModelConfig[];
  /** Has the models' versions. */
  readonly manager: Pick<Manager, "activate" | "aspire" | "isPrepared">;
  /** Drawn by this process. */
  readonly instance: string;
  /** Called after each change of a gate; after a fence with the time that it stood, in ms. */
  readonly onChange: (model: string, state: GateState, heldMs: number | undefined) => void;
}

/** The models whose versions the operator switches: their gates, and what it tells them. */
export class SwitchedModels implements Disposable {
  readonly #options: SwitchedModelsOptions;
  /** By name of the model. */
  readonly gates: ReadonlyMap<string, ModelGate>;

  constructor(options: SwitchedModelsOptions) {
    this.#options = options;
    const switched = options.models.filter(({ switchedBy }) => switchedBy === "Operator");
    this.gates = new Map(switched.map(({ name }) => [name, this.#gateOf(name)]));
  }

  /** Undefined for a model that switches by itself. */
  describe(name: string): ReplicaGate | undefined {
    return this.gates.get(name)?.describe();
  }

  /** Does what the operator says; returns why not, or undefined. */
  carryOut(command: ReplicaCommand): Omit<CommandRefusal, "report"> | undefined {
    return carryOut(command, {
      instance: this.#options.instance,
      now: () => performance.now(),
      model: (name) => this.#commanded(name),
    });
  }

  [Symbol.dispose](): void {
    for (const gate of this.gates.values()) gate.close();
  }

  #gateOf(name: string): ModelGate {
    const { manager, onChange } = this.#options;
    return new ModelGate({
      model: { activate: (serving) => void manager.activate(name, serving) },
      now: () => performance.now(),
      onChange: (state, heldMs) => onChange(name, state, heldMs),
    });
  }

  #commanded(name: string): CommandedModel | undefined {
    const gate = this.gates.get(name);
    if (gate === undefined) return undefined;
    const { manager } = this.#options;
    return {
      tell: (event) => gate.tell(event),
      aspire: (aspiration) => manager.aspire(name, aspiration),
      isPrepared: (serving) => manager.isPrepared(name, serving),
    };
  }
}
