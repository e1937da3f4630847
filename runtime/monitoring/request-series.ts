import type { Histogram, HistogramFamily, Value, ValueFamily } from "./metric-families.ts";
import type { RequestCode } from "./request-metrics.ts";

/** The series of requests to one version by one protocol. */
interface ProtocolSeries {
  readonly duration: Histogram;
  readonly counts: Map<RequestCode, Value>;
}

/** Counts requests by model, version, protocol and outcome, and their time. Looks labels up one by one, without making a text of them. */
export class RequestSeries {
  readonly #requests: ValueFamily;
  readonly #duration: HistogramFamily;
  readonly #models = new Map<string, Map<string, Map<string, ProtocolSeries>>>();

  constructor(requests: ValueFamily, duration: HistogramFamily) {
    this.#requests = requests;
    this.#duration = duration;
  }

  /** The number of values that the labels can have must be bounded by the caller. */
  observe(labels: SeriesLabels, code: RequestCode, durationSeconds: number): void {
    const series = this.#seriesOf(labels);
    series.duration.observe(durationSeconds);
    this.#countOf(series, labels, code).value++;
  }

  /** Lets a counter exist before its first request. */
  zero(labels: SeriesLabels): void {
    this.#requests.series({ ...labels, code: "OK" });
  }

  #seriesOf(labels: SeriesLabels): ProtocolSeries {
    const versions = getOrMake(this.#models, labels.model, () => new Map<string, Map<string, ProtocolSeries>>());
    const protocols = getOrMake(versions, labels.version, () => new Map<string, ProtocolSeries>());
    return getOrMake(protocols, labels.protocol, () => ({
      duration: this.#duration.series({ ...labels }),
      counts: new Map<RequestCode, Value>(),
    }));
  }

  #countOf({ counts }: ProtocolSeries, labels: SeriesLabels, code: RequestCode): Value {
    return getOrMake(counts, code, () => this.#requests.series({ ...labels, code }));
  }
}

/** The labels of a request, but for its outcome. */
export interface SeriesLabels {
  readonly model: string;
  readonly version: string;
  readonly protocol: string;
}

/** What a map has for a key, made if it has nothing. */
function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  let value = map.get(key);
  if (value === undefined) {
    value = make();
    map.set(key, value);
  }
  return value;
}
