import type { OutcomeResult } from "./job.ts";
import { LatencyHistogram } from "./latency-histogram.ts";

/** A span of the generator's clock, in ms. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/** Counts what ended within the measured time, by outcome. */
export class LoadRecorder {
  readonly #outcomes = new Map<string, { count: number; latencies: LatencyHistogram }>();
  readonly #span: Span;
  readonly #latencyCountsBy: "start" | "end";

  /**
   * A closed loop's latencies are those of what ended in the span. An open loop's are those of what should have started
   * in it, however late it ends: else the slowest would be left out.
   */
  constructor(span: Span, latencyCountsBy: "start" | "end") {
    this.#span = span;
    this.#latencyCountsBy = latencyCountsBy;
  }

  record(outcome: string, startMs: number, endMs: number): void {
    const isEndIn = this.#isIn(endMs);
    const isMeasured = this.#latencyCountsBy === "end" ? isEndIn : this.#isIn(startMs);
    if (!isEndIn && !isMeasured) return;
    let known = this.#outcomes.get(outcome);
    if (known === undefined) {
      known = { count: 0, latencies: LatencyHistogram.empty() };
      this.#outcomes.set(outcome, known);
    }
    if (isEndIn) known.count += 1;
    if (isMeasured) known.latencies.record(endMs - startMs);
  }

  results(): Record<string, OutcomeResult> {
    const entries = [...this.#outcomes].map(
      ([outcome, { count, latencies }]) => [outcome, { count, latencies: latencies.toCounts() }] as const,
    );
    return Object.fromEntries(entries);
  }

  #isIn(timeMs: number): boolean {
    return timeMs >= this.#span.startMs && timeMs < this.#span.endMs;
  }
}
