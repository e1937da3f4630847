import type { Histogram, HistogramFamily, Value, ValueFamily } from "./metric-families.ts";
import type { RequestCode } from "./request-metrics.ts";
import { DurationBins, type RequestSums } from "./request-sums.ts";

/** The series of requests to one version by one protocol. */
interface ProtocolSeries {
  readonly duration: Histogram;
  readonly counts: Map<RequestCode, Value>;
}

/** The series of requests to one version. */
interface VersionSeries {
  /** Of all protocols together. */
  readonly durations: DurationBins;
  readonly protocols: Map<string, ProtocolSeries>;
}

/** Counts requests by model, version, protocol and outcome, and their time. Looks labels up one by one, without making a text of them. */
export class RequestSeries {
  readonly #requests: ValueFamily;
  readonly #duration: HistogramFamily;
  readonly #models = new Map<string, Map<string, VersionSeries>>();

  /** Protocols whose counters exist before there is a request. */
  readonly #zeroed = new Set<string>();

  constructor(requests: ValueFamily, duration: HistogramFamily) {
    this.#requests = requests;
    this.#duration = duration;
  }

  /** The number of values that the labels can have must be bounded by the caller. */
  observe(labels: SeriesLabels, code: RequestCode, durationSeconds: number, traceId?: string): void {
    const version = this.#versionOf(labels);
    version.durations.add(durationSeconds);
    const series = getOrMake(version.protocols, labels.protocol, () => this.#protocolOf(labels));
    series.duration.observe(durationSeconds, traceId);
    this.#countOf(series, labels, code).value++;
  }

  /** Lets a counter exist before its first request. */
  zero(labels: SeriesLabels): void {
    this.#zeroed.add(labels.protocol);
    this.#requests.series({ ...labels, code: "OK" });
  }

  /** Forgets what was counted of a version. */
  forget({ model, version }: Omit<SeriesLabels, "protocol">): void {
    const versions = this.#models.get(model);
    for (const [protocol, { counts }] of versions?.get(version)?.protocols ?? []) {
      this.#duration.remove({ model, version, protocol });
      for (const code of counts.keys()) this.#requests.remove({ model, version, protocol, code });
    }
    versions?.delete(version);
    for (const protocol of this.#zeroed) this.#requests.remove({ model, version, protocol, code: "OK" });
  }

  /** What was counted of a model, by version. */
  sumsOf(model: string): RequestSums[] {
    return [...(this.#models.get(model) ?? [])].map(([version, { durations, protocols }]) => {
      const requests: Record<string, number> = {};
      for (const { counts } of protocols.values())
        for (const [code, { value }] of counts) requests[code] = (requests[code] ?? 0) + value;
      return { version: version === "" ? undefined : Number(version), requests, duration: durations.sums() };
    });
  }

  #versionOf({ model, version }: SeriesLabels): VersionSeries {
    const versions = getOrMake(this.#models, model, () => new Map<string, VersionSeries>());
    return getOrMake(versions, version, () => ({ durations: new DurationBins(), protocols: new Map() }));
  }

  #protocolOf(labels: SeriesLabels): ProtocolSeries {
    return { duration: this.#duration.series({ ...labels }), counts: new Map() };
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
