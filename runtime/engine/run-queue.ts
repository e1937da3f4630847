import type { PendingRun } from "./pending-run.ts";

/** Runs that wait for their turn: first come, first served; those of batches after all that are interactive. */
export class RunQueue {
  readonly #interactive: PendingRun[] = [];
  readonly #batch: PendingRun[] = [];

  push(run: PendingRun): void {
    (run.priority === "batch" ? this.#batch : this.#interactive).push(run);
  }

  shift(): PendingRun | undefined {
    return this.#interactive.shift() ?? this.#batch.shift();
  }

  /** Whether the run was still waiting. */
  remove(run: PendingRun): boolean {
    const runs = run.priority === "batch" ? this.#batch : this.#interactive;
    const place = runs.indexOf(run);
    if (place >= 0) runs.splice(place, 1);
    return place >= 0;
  }

  /** Empties the queue. */
  takeAll(): PendingRun[] {
    return [...this.#interactive.splice(0), ...this.#batch.splice(0)];
  }
}
