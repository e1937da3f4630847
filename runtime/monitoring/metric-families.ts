/**
 * Counters, gauges and histograms that cost next to nothing to observe: series are plain numbers and typed arrays, found
 * once and kept by whoever counts, and are turned into text when somebody asks.
 */

/** What a family has in common with its siblings. */
export interface FamilySpec {
  readonly name: string;
  readonly help: string;
  /** Names of labels. A family without any has its one series from the start. */
  readonly labels: readonly string[];
}

/** The values of all labels of a family, by name. */
export type Labels = Readonly<Record<string, string>>;

/** Prometheus' text format, or OpenMetrics 1.0, which has exemplars. */
export type ExpositionForm = "prometheus" | "openmetrics";

/** A family of series as the exposition needs it. */
export interface MetricFamily {
  /** Its lines in pieces: what it is, then all lines of a series at a time. Default: Prometheus' text format. */
  text(form?: ExpositionForm): Iterable<string>;
}

/** A number that is counted up, or set. */
export class Value {
  value = 0;
  /** The line without the number. */
  readonly head: string;

  constructor(head: string) {
    this.head = head;
  }
}

/** Counters, or gauges. */
export class ValueFamily implements MetricFamily {
  readonly #spec: FamilySpec;
  readonly #type: "counter" | "gauge";
  readonly #series = new Map<string, Value>();

  constructor(type: "counter" | "gauge", spec: FamilySpec) {
    this.#spec = spec;
    this.#type = type;
    if (spec.labels.length === 0) this.series({});
  }

  /** The series with these labels, made if it is new. Throws if they are not those of the family. */
  series(labels: Labels): Value {
    const text = labelsText(this.#spec, labels);
    let found = this.#series.get(text);
    if (found === undefined) {
      found = new Value(text === "" ? this.#spec.name : `${this.#spec.name}{${text}}`);
      this.#series.set(text, found);
    }
    return found;
  }

  /** Forgets a series. */
  remove(labels: Labels): void {
    this.#series.delete(labelsText(this.#spec, labels));
  }

  /** Forgets all series. */
  clear(): void {
    this.#series.clear();
  }

  *text(form: ExpositionForm = "prometheus"): Iterable<string> {
    yield description(this.#spec, this.#type, form);
    for (const { head, value } of this.#series.values()) yield `${head} ${numberText(value)}\n`;
  }
}

/** An observation that stands for those in its bucket. */
interface Exemplar {
  readonly value: number;
  readonly traceId: string;
  /** Since 1970. */
  readonly seconds: number;
}

/** How many observations lie between bounds, and their sum. */
export class Histogram {
  /** Upper bounds, ascending. */
  readonly #bounds: Float64Array;
  /** For each bound those above the one before; then those above all. */
  readonly #counts: Float64Array;
  #sum = 0;
  /** The latest of each bucket, if any has one. */
  #exemplars: (Exemplar | undefined)[] | undefined;

  constructor(bounds: Float64Array) {
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** `traceId` is that of the trace in which it was observed, if that is recorded. */
  observe(value: number, traceId?: string): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#sum += value;
    if (traceId === undefined) return;
    this.#exemplars ??= [];
    this.#exemplars[bucket] = { value, traceId, seconds: Date.now() / 1000 };
  }

  /** The lines of the series; `heads` are those of the buckets, then of the sum and the count. */
  text(heads: readonly string[], form: ExpositionForm = "prometheus"): string {
    let text = "";
    let count = 0;
    const exemplars = form === "openmetrics" ? this.#exemplars : undefined;
    for (const [bucket, each] of this.#counts.entries())
      text += `${heads[bucket]} ${(count += each)}${exemplarText(exemplars?.[bucket])}\n`;
    const [sum, total] = heads.slice(-2);
    return `${text}${sum} ${numberText(this.#sum)}\n${total} ${count}\n`;
  }
}

/** Histograms with the same bounds. */
export class HistogramFamily implements MetricFamily {
  readonly #spec: FamilySpec;
  readonly #bounds: Float64Array;
  readonly #series = new Map<string, { readonly histogram: Histogram; readonly heads: readonly string[] }>();

  /** `buckets` are upper bounds, ascending. */
  constructor(spec: FamilySpec & { readonly buckets: readonly number[] }) {
    this.#spec = spec;
    this.#bounds = Float64Array.from(spec.buckets);
    if (spec.labels.length === 0) this.series({});
  }

  /** The series with these labels, made if it is new. Throws if they are not those of the family. */
  series(labels: Labels): Histogram {
    const text = labelsText(this.#spec, labels);
    let found = this.#series.get(text);
    if (found === undefined) {
      found = { histogram: new Histogram(this.#bounds), heads: this.#headsOf(text) };
      this.#series.set(text, found);
    }
    return found.histogram;
  }

  /** Forgets a series. */
  remove(labels: Labels): void {
    this.#series.delete(labelsText(this.#spec, labels));
  }

  *text(form: ExpositionForm = "prometheus"): Iterable<string> {
    yield description(this.#spec, "histogram", form);
    for (const { histogram, heads } of this.#series.values()) yield histogram.text(heads, form);
  }

  #headsOf(labels: string): string[] {
    const { name } = this.#spec;
    const others = labels === "" ? "" : `,${labels}`;
    const buckets = [...this.#bounds, Number.POSITIVE_INFINITY].map(
      (bound) => `${name}_bucket{le="${numberText(bound)}"${others}}`,
    );
    const all = labels === "" ? "" : `{${labels}}`;
    return [...buckets, `${name}_sum${all}`, `${name}_count${all}`];
  }
}

function description({ name, help }: FamilySpec, type: string, form: ExpositionForm): string {
  const isOpen = form === "openmetrics";
  // There, counters are called without their suffix; one that has none cannot be called a counter.
  const isCounter = type === "counter" && name.endsWith(TOTAL);
  const family = isOpen && isCounter ? name.slice(0, -TOTAL.length) : name;
  const kind = isOpen && type === "counter" && !isCounter ? "unknown" : type;
  let text = help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
  if (isOpen) text = text.replaceAll('"', '\\"');
  return `# HELP ${family} ${text}\n# TYPE ${family} ${kind}\n`;
}

const TOTAL = "_total";

function exemplarText(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return "";
  const { traceId, value, seconds } = exemplar;
  return ` # {trace_id="${traceId}"} ${numberText(value)} ${numberText(seconds)}`;
}

function labelsText({ name, labels: names }: FamilySpec, labels: Labels): string {
  if (Object.keys(labels).length !== names.length) throw new Error(`${name} has the labels ${names.join(", ")}`);
  return names
    .map((label) => {
      const value = labels[label];
      if (value === undefined) throw new Error(`${name} has the labels ${names.join(", ")}`);
      return `${label}="${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`;
    })
    .join(",");
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}
