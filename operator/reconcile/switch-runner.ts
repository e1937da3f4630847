import {
  beginSwitch,
  stepSwitch,
  type SwitchEvent,
  type SwitchState,
  type SwitchStep,
} from "../rollout/switch-attempt.ts";

/** What an attempt does to the world. */
export interface AttemptEffects {
  readonly fence: (replica: string) => Promise<boolean>;
  /** False: refused. Throws where nobody knows. */
  readonly write: () => Promise<boolean>;
  readonly serve: (which: "next" | "current", replicas: readonly string[]) => Promise<void>;
  /** Calls back when the fences' time is over; returns how to call that off. */
  readonly late: (callBack: () => void) => () => void;
}

/**
 * Runs one attempt to switch: does what {@link stepSwitch} says, until it is decided and everybody was told. `withFences` as in
 * beginSwitch.
 */
export class SwitchAttempt {
  readonly #effects: AttemptEffects;
  readonly #first: SwitchStep;
  readonly #decided = Promise.withResolvers<void>();
  readonly #work: Promise<void>[] = [];
  #state: SwitchState;

  constructor(withFences: boolean, replicas: readonly string[], effects: AttemptEffects) {
    this.#effects = effects;
    this.#first = beginSwitch(replicas, withFences);
    this.#state = this.#first.state;
  }

  async run(): Promise<SwitchState> {
    const callOff = this.#effects.late(() => this.#happened({ kind: "late" }));
    this.#enter(this.#first);
    await this.#decided.promise;
    callOff();
    for (let work = this.#work.shift(); work !== undefined; work = this.#work.shift()) await work;
    return this.#state;
  }

  #happened(event: SwitchEvent): void {
    this.#enter(stepSwitch(this.#state, event));
  }

  #enter({ state, effects }: SwitchStep): void {
    this.#state = state;
    for (const effect of effects) {
      switch (effect.kind) {
        case "fence":
          for (const replica of effect.replicas) void this.#fence(replica);
          break;
        case "writeRecord":
          void this.#write();
          break;
        case "serve":
          this.#work.push(this.#effects.serve(effect.which, effect.replicas).catch(() => {}));
          break;
        default:
          effect satisfies never;
      }
    }
    if (state.kind === "committed" || state.kind === "aborted" || state.kind === "unknown") this.#decided.resolve();
  }

  async #fence(replica: string): Promise<void> {
    const isFenced = await this.#effects.fence(replica).catch(() => false);
    this.#happened({ kind: isFenced ? "fenced" : "notFenced", replica });
  }

  async #write(): Promise<void> {
    const kind = await this.#effects.write().then(
      (isWritten) => (isWritten ? ("written" as const) : ("writeRefused" as const)),
      () => "writeUnknown" as const,
    );
    this.#happened({ kind });
  }
}
