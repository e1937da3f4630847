import { CliError } from "./cli-error.ts";

/** A row that the model does not answer. */
export interface Refusal {
  /** File and row. */
  readonly place: string;
  readonly why: string;
}

/** So many are told one by one. */
const MAX_SHOWN = 5;
/** Where so many rows at the beginning are all refused, the others will be too: they are not the model's. */
const HOPELESS_ROWS = 1_000;

/** Rows that a model does not answer, to be told at the end. */
export class Refusals {
  readonly #first: Refusal[] = [];
  #count = 0;
  #isAnyAnswered = false;

  /** To be told that the model has answered a row. */
  answered(): void {
    this.#isAnyAnswered = true;
  }

  /** Throws {@link CliError} once it is clear that the model answers none of the rows. */
  add(refusal: Refusal): void {
    if (this.#count++ < MAX_SHOWN) this.#first.push(refusal);
    if (!this.#isAnyAnswered && this.#count >= HOPELESS_ROWS) throw this.#noneAnswered();
  }

  /** What there is to tell after so many rows. Throws {@link CliError} where none was answered. */
  notes(rows: number): string[] {
    if (this.#count === 0) return [];
    if (!this.#isAnyAnswered) throw this.#noneAnswered();
    const more = this.#count - this.#first.length;
    return [
      `the model does not answer ${this.#count} of ${rows} rows, of which the profile has the inputs only`,
      ...this.#first.map(({ place, why }) => `${place}: ${why}`),
      ...(more > 0 ? [`and ${more} more`] : []),
    ];
  }

  #noneAnswered(): CliError {
    const [first] = this.#first;
    return new CliError(
      `the model answers none of the first ${this.#count} rows; ${first?.place ?? ""}: ${first?.why ?? ""}\n` +
        "  Are they the rows of this model? --no-run makes the profile of them without asking it.",
    );
  }
}
