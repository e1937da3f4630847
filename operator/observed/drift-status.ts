import type {
  InferenceService,
  InferenceServiceStatus,
  Predictor,
  StatusDrift,
} from "../../common/inferenceservice.gen.ts";
import { completeDriftConfig, type DriftConfig } from "../../common/runtime-config.ts";
import type { Finding } from "../api/conditions.ts";
import { cutToBytes } from "../api/cut-text.ts";
import { RELEARN_ANNOTATION } from "../api/names.ts";
import { contentHash } from "../desired/content-hash.ts";

const MAX_MESSAGE_BYTES = 1024;

/** How drift of an InferenceService is to be watched, with the defaults of what it leaves out. */
export function driftConfigOf(predictor: Predictor): DriftConfig {
  return completeDriftConfig(predictor.monitoring?.drift);
}

/** A word for the learning that somebody asked for by the annotation; undefined where nobody did. */
export function relearnOf({ metadata }: Pick<InferenceService, "metadata">): string | undefined {
  const value = metadata.annotations?.[RELEARN_ANNOTATION];
  return value === undefined ? undefined : contentHash(value);
}

/** What `status.drift` says: what was found, or what was said before where nothing was found yet; undefined where nobody watches. */
export function statusDriftOf(
  predictor: Predictor,
  before: InferenceServiceStatus | undefined,
  found: StatusDrift | "Unknown" | undefined,
): StatusDrift | undefined {
  if (!driftConfigOf(predictor).enabled) return undefined;
  return found === "Unknown" ? before?.drift : found;
}

/** What condition Drifting says of it. */
export function judgeDrift(drift: StatusDrift, { referenceRows }: DriftConfig): Finding {
  const { version, windowRows = 0 } = drift;
  const of = version === undefined ? "" : ` of version ${version}`;
  if (drift.state === "Learning") {
    const message = `${referenceRows} rows${of} become its reference; ${drift.referenceRows ?? 0} have come`;
    return { type: "Drifting", status: "Unknown", reason: "LearningReference", message };
  }
  if (drift.state === "Waiting") {
    const message = `${windowRows} rows${of} have come, too few to compare them with its reference`;
    return { type: "Drifting", status: "Unknown", reason: "WaitingForRows", message };
  }
  if (drift.state === "Steady") return { type: "Drifting", status: "False", reason: "NoDrift", message: "" };
  return { type: "Drifting", status: "True", reason: "DriftDetected", message: driftMessage(drift) };
}

function driftMessage({ version, features = [] }: StatusDrift): string {
  const [first, ...others] = features;
  if (first === undefined) return `what version ${version ?? "?"} is asked or answers has moved`;
  const how = first.message === undefined ? "" : ` ${first.message}`;
  const also = others.map(({ name }) => name).join(", ");
  const text = `${first.name}:${how} (PSI ${first.psi})${also === "" ? "" : `; also ${also}`}`;
  return cutToBytes(text, MAX_MESSAGE_BYTES);
}
