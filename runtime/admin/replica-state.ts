import type {
  ReplicaFailure,
  ReplicaGate,
  ReplicaModel,
  ReplicaPhase,
  ReplicaState,
  ReplicaVersion,
} from "../../common/admin-api.ts";
import { publishedStateOf, type Failure, type HarnessState } from "../core/harness.ts";
import type { ModelDescription } from "../core/model-description.ts";

/** The greatest length of a failure's message that the operator takes. */
const LONGEST_MESSAGE = 2_048;

/** What the replica tells of itself. */
export function replicaStateOf(
  models: readonly ModelDescription[],
  isDraining: boolean,
  /** Of models whose versions the operator switches. */
  gateOf: (model: string) => ReplicaGate | undefined = () => undefined,
): ReplicaState {
  return {
    phase: phaseOf(models, isDraining),
    models: models.map((model) => replicaModelOf(model, gateOf(model.name))),
  };
}

/** The model that is furthest from being served decides; one that failed is further than any. */
function phaseOf(models: readonly ModelDescription[], isDraining: boolean): ReplicaPhase {
  if (isDraining) return "Draining";
  const phases = new Set(models.map(modelPhaseOf));
  const order = ["Failed", "Starting", "Fetching", "Loading", "WarmingUp"] as const;
  return order.find((phase) => phases.has(phase)) ?? "Ready";
}

function modelPhaseOf(model: ModelDescription): ReplicaPhase {
  // What is loaded beside what answers, or fails to be, is told by version.
  if (model.isReady) return "Ready";
  if (failureOfModel(model) !== undefined) return "Failed";
  const states = new Set(model.versions.map(({ state }) => state.kind));
  if (states.has("fetching")) return "Fetching";
  if (states.has("loading")) return "Loading";
  if (states.has("warming-up")) return "WarmingUp";
  // What is loaded and does not answer waits for the word of the operator.
  return "Starting";
}

function replicaModelOf(model: ModelDescription, gate: ReplicaGate | undefined): ReplicaModel {
  const failed = failureOfModel(model);
  const fetching = model.versions.find(({ state }) => state.kind === "fetching");
  return {
    name: model.name,
    ...(model.activeVersion !== undefined && { activeVersion: model.activeVersion }),
    versions: model.versions.map(replicaVersionOf),
    ...(gate !== undefined && { gate }),
    ...(model.listed !== undefined && { listed: [...model.listed] }),
    ...(model.rewritten.length > 0 && { rewritten: [...model.rewritten] }),
    ...(fetching?.state.kind === "fetching" && {
      loading: {
        version: fetching.version,
        bytesDone: fetching.state.progress.bytesDone,
        ...(fetching.state.progress.bytesTotal !== undefined && { bytesTotal: fetching.state.progress.bytesTotal }),
      },
    }),
    ...(failed !== undefined && { failure: replicaFailureOf(failed.failure, failed.version) }),
  };
}

function replicaVersionOf({ version, state, digest, sizeBytes }: ModelDescription["versions"][number]): ReplicaVersion {
  const failure = failureIn(state);
  return {
    version,
    state: publishedStateOf(state),
    ...(digest !== undefined && { digest }),
    ...(sizeBytes !== undefined && { sizeBytes }),
    ...(failure !== undefined && { failure: replicaFailureOf(failure, version) }),
  };
}

function replicaFailureOf({ reason, message }: Failure, version: number | undefined): ReplicaFailure {
  return { reason, message: message.slice(0, LONGEST_MESSAGE), ...(version !== undefined && { version }) };
}

/** The failure to show: of the listing, else of the newest version that fails. */
function failureOfModel(
  model: ModelDescription,
): { readonly failure: Failure; readonly version: number | undefined } | undefined {
  if (model.listingFailure !== undefined) return { failure: model.listingFailure, version: undefined };
  for (const { state, version } of model.versions.toReversed()) {
    const failure = failureIn(state);
    if (failure !== undefined) return { failure, version };
  }
  return undefined;
}

/** A version that is tried again still shows why it failed the last time: the reader should not have to be quick. */
function failureIn(state: HarnessState): Failure | undefined {
  return "failure" in state ? state.failure : undefined;
}
