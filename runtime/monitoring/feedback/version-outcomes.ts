import type { OutcomeSums } from "../../../common/monitoring-api.ts";
import { addOutcomes, NO_OUTCOMES } from "./outcome-comparison.ts";

/** How the predictions of one version met their outcomes. */
export class VersionOutcomes {
  readonly version: number;
  /** Another file under the same number begins anew. */
  readonly digest: string;
  #sums: OutcomeSums = NO_OUTCOMES;

  constructor(version: number, digest: string) {
    this.version = version;
    this.digest = digest;
  }

  get sums(): OutcomeSums {
    return this.#sums;
  }

  add(sums: OutcomeSums): void {
    this.#sums = addOutcomes(this.#sums, sums);
  }
}
