import type {
  Outcome,
  OutcomeSums,
  ReplicaDrift,
  ReplicaMonitoring,
  ReplicaVersionMonitoring,
} from "../../common/monitoring-api.ts";
import { DURATION_BOUNDS_SECONDS } from "../../common/monitoring-api.ts";
import type { ModelDescription } from "../core/model-description.ts";
import type { InferenceSums, ModelSums, RequestSums } from "../monitoring/request-sums.ts";

/** Of versions that are loaded no more, so many are told of, the greatest: those that were answered by just before. */
const MAX_EARLIER_VERSIONS = 8;

/** Where what a replica did is counted. */
export interface MonitoringSources {
  readonly instance: string;
  readonly models: readonly ModelSums[];
  /** Tells which versions answer, and the digests of their files. */
  readonly descriptions: readonly Pick<ModelDescription, "name" | "versions">[];
  /** Default: off. */
  readonly drift?: ((model: string, version: number) => ReplicaDrift) | undefined;
  /** Undefined where none are taken. Default: none are. */
  readonly outcomes?: ((model: string, version: number) => OutcomeSums | undefined) | undefined;
  /** Default: none. */
  readonly strayOutcomes?: ((model: string) => readonly (Outcome & { readonly number: number })[]) | undefined;
}

/** What the replica tells of what it did; `nowMs` is of the process' clock. */
export function replicaMonitoringOf(sources: MonitoringSources, nowMs: number): ReplicaMonitoring {
  return {
    instance: sources.instance,
    takenAtMs: nowMs,
    models: sources.models.map((model) => modelOf(model, sources)),
  };
}

function modelOf(model: ModelSums, sources: MonitoringSources): ReplicaMonitoring["models"][number] {
  const { name, inFlight } = model;
  const unanswered = model.requests.find(({ version }) => version === undefined);
  const strays = sources.strayOutcomes?.(name) ?? [];
  return {
    name,
    inFlight,
    ...(unanswered !== undefined && { unanswered: { ...unanswered.requests } }),
    versions: versionsOf(model, sources),
    strayOutcomes: strays.map((stray) => ({ ...stray, values: [...stray.values] })),
  };
}

/** Those that answer, and a few that did, ascending. */
function versionsOf(model: ModelSums, sources: MonitoringSources): ReplicaVersionMonitoring[] {
  const described = sources.descriptions.find(({ name }) => name === model.name)?.versions ?? [];
  const digests = new Map(
    described.filter(({ state }) => state.kind === "ready").map(({ version, digest }) => [version, digest]),
  );
  const requests = new Map(model.requests.map((sums) => [sums.version, sums]));
  const all = [...new Set([...digests.keys(), ...model.inferences.keys()])].sort((a, b) => a - b);
  const earlier = new Set(all.filter((version) => !digests.has(version)).slice(-MAX_EARLIER_VERSIONS));
  return all
    .filter((version) => digests.has(version) || earlier.has(version))
    .map((version) => {
      const digest = digests.get(version);
      const outcomes = sources.outcomes?.(model.name, version);
      const sums = requests.get(version) ?? NO_REQUESTS;
      return {
        version,
        ...(digest !== undefined && { digest }),
        requests: { ...sums.requests },
        duration: sums.duration,
        ...(model.inferences.get(version) ?? NO_INFERENCES),
        drift: sources.drift?.(model.name, version) ?? { state: "Off" },
        ...(outcomes !== undefined && { outcomes }),
      };
    });
}

const NO_REQUESTS: Pick<RequestSums, "requests" | "duration"> = {
  requests: {},
  duration: { counts: [...DURATION_BOUNDS_SECONDS, Number.POSITIVE_INFINITY].map(() => 0), sumSeconds: 0 },
};
const NO_INFERENCES: InferenceSums = { rows: 0, queueSeconds: 0, computeSeconds: 0 };
