/** A query of a panel. In `expr`, $REPLICA, $MODEL and $VERSION stand for the matchers of the dashboard's variables. */
export interface Target {
  readonly expr: string;
  /** With Grafana's templates. */
  readonly legend: string;
}

/** A panel of the dashboard. */
export interface Panel {
  readonly row: string;
  readonly title: string;
  readonly description?: string;
  /** Grafana's name of a unit. */
  readonly unit: string;
  /** Default: timeseries. */
  readonly kind?: "timeseries" | "heatmap" | "stat";
  /** What must be in use before it shows anything; a replica under traffic alone fills all others. */
  readonly needs?:
    "operator" | "drift" | "feedback" | "payload log" | "refusals" | "failures" | "switches" | "activator";
  readonly targets: readonly Target[];
}
