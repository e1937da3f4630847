/** An alert: what Prometheus watches, and what docs/alerts.md says to whom it wakes. */
export interface Alert {
  /** Begins with Lockstep. */
  readonly name: string;
  /** In a few words, for a table. */
  readonly when: string;
  readonly expr: string;
  /** How long it must hold before anybody is told, as Prometheus writes durations. */
  readonly for: string;
  /** `critical`: somebody should look now; `warning`: today. */
  readonly severity: "critical" | "warning";
  /** One line, with Prometheus' templates. */
  readonly summary: string;
  /** What is seen, with Prometheus' templates. */
  readonly description: string;
  /** What it means, in Markdown. */
  readonly meaning: string;
  /** What to look at, in order, in Markdown. */
  readonly steps: readonly string[];
}

/** A series that Prometheus computes. */
export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

/** Rules that are evaluated one after the other. */
export interface RuleGroup {
  readonly name: string;
  readonly recordings: readonly RecordingRule[];
  readonly alerts: readonly Alert[];
}
