import type { DriftWindow } from "../../../common/drift/assess-drift.ts";
import type { FeatureCounts } from "../../../common/drift/feature-counter.ts";

/** The window moves on in parts. */
const PARTS = 10;

/** The newest rows of counts that only grow: what they are, less what they were so many rows ago. */
export class CountWindow {
  readonly #partRows: number;
  /** Oldest first; as they were at each part's end. */
  readonly #marks: DriftWindow[] = [];

  constructor(windowRows: number) {
    this.#partRows = Math.max(1, Math.floor(windowRows / PARTS));
  }

  /** To be told of each row: notes the counts when a part has ended. */
  passed(rows: number, read: () => readonly FeatureCounts[]): void {
    if (rows - (this.#marks.at(-1)?.rows ?? 0) < this.#partRows) return;
    this.#marks.push({ rows, features: read() });
    if (this.#marks.length > PARTS) this.#marks.shift();
  }

  /** The newest rows, at most as many as the window is long. */
  of(rows: number, features: readonly FeatureCounts[]): DriftWindow {
    // The oldest mark is one part younger than the window while another one is on its way.
    const mark = this.#marks.length < PARTS ? undefined : this.#marks[0];
    if (mark === undefined) return { rows, features };
    return {
      rows: rows - mark.rows,
      features: features.map((now, at) => {
        const then = mark.features[at];
        return {
          counts: now.counts.map((count, bin) => count - (then?.counts[bin] ?? 0)),
          missing: now.missing - (then?.missing ?? 0),
          outOfRange: now.outOfRange - (then?.outOfRange ?? 0),
        };
      }),
    };
  }
}
