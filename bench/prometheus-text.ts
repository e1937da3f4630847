/** A sample of Prometheus' text format. */
export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \S+)?$/;
const LABEL = /([A-Za-z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** Reads a page of metrics; comments and what is no sample are passed over. */
export function parseMetrics(text: string): MetricSample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labels = "", value] = LINE.exec(line) ?? [];
    if (name === undefined || value === undefined) return [];
    const pairs = [...labels.matchAll(LABEL)].map(([, key = "", text_ = ""]) => [key, text_] as const);
    return [{ name, labels: Object.fromEntries(pairs), value: numberOf(value) }];
  });
}

/** The value of the first sample with this name that has at least these labels. */
export function valueOf(
  samples: readonly MetricSample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  return samples.find((sample) => sample.name === name && hasLabels(sample, labels))?.value;
}

/**
 * The quantile of a histogram, as PromQL's histogram_quantile gives it: straight lines within the buckets, and the
 * greatest bound for what is beyond. All series with at least these labels count together. NaN of nothing.
 */
export function histogramQuantile(
  samples: readonly MetricSample[],
  name: string,
  q: number,
  labels: Readonly<Record<string, string>> = {},
): number {
  const counts = new Map<number, number>();
  for (const sample of samples) {
    if (sample.name !== `${name}_bucket` || !hasLabels(sample, labels)) continue;
    const bound = numberOf(sample.labels["le"] ?? "");
    counts.set(bound, (counts.get(bound) ?? 0) + sample.value);
  }
  const buckets = [...counts].toSorted(([a], [b]) => a - b);
  const total = buckets.at(-1)?.[1] ?? 0;
  if (total === 0) return Number.NaN;
  const rank = q * total;
  let [below, seen] = [0, 0];
  for (const [bound, count] of buckets) {
    if (count >= rank) {
      if (bound === Infinity) return below;
      return below + (bound - below) * (count === seen ? 1 : (rank - seen) / (count - seen));
    }
    [below, seen] = [bound, count];
  }
  return Number.NaN;
}

function hasLabels(sample: MetricSample, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([key, value]) => sample.labels[key] === value);
}

function numberOf(text: string): number {
  if (text === "+Inf" || text === "Inf") return Infinity;
  if (text === "-Inf") return -Infinity;
  return Number(text);
}
