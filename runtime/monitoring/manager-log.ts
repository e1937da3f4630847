import type { Logger } from "../../common/logger.ts";
import type { ManagerEvent } from "../core/manager-event.ts";
import type { GateState } from "../traffic/gate-state.ts";

/** One line for each change of what the operator lets a model answer with; fences are too short to be told of. */
export function logGateState(logger: Logger, model: string, state: GateState): void {
  switch (state.kind) {
    case "Unjoined":
    case "Fenced":
      return logger.debug({ model, gate: state.kind }, "requests wait for the operator");
    case "Serving":
      return logger.info({ model, epoch: state.epoch, version: state.serving.version }, "serving this epoch");
    case "Unsure":
      return logger.warn(
        { model, epoch: state.epoch },
        "the operator has not said in time how a switch ended: requests are refused until it does",
      );
    default:
      return state satisfies never;
  }
}

/** One line for each change of a model's state; runs are counted, not logged. */
export function logManagerEvent(logger: Logger, event: ManagerEvent): void {
  switch (event.kind) {
    case "ran":
      return;
    case "listed":
      return logger.info({ model: event.model, versions: event.versions }, "repository listed");
    case "rewritten":
      return logger.warn(
        { model: event.model, versions: event.versions },
        "versions were changed in the repository after they had been fetched: the replica keeps to the files that it has",
      );
    case "aspired":
      return logger.info({ model: event.model, versions: event.versions }, "versions chosen");
    case "activated":
      return logger.info({ model: event.model, version: event.version }, "active version");
    case "fetching":
      return logger.info(fieldsOf(event), "fetching");
    case "loading":
      return logger.info(
        { ...fieldsOf(event), sizeBytes: event.sizeBytes, fetchMs: Math.round(event.fetchMs) },
        "fetched; loading",
      );
    case "warming-up":
      return logger.info({ ...fieldsOf(event), loadMs: Math.round(event.loadMs) }, "loaded; warming up");
    case "unbatchable":
      return logger.warn({ ...fieldsOf(event), why: event.why }, "requests are run one by one");
    case "unwarmed":
      return logger.warn(
        { ...fieldsOf(event), why: event.why },
        "not warmed up: the model answers no request that can be made up; give it some in warmup.requests",
      );
    case "available":
      return logger.info({ ...fieldsOf(event), digest: event.digest, totalMs: Math.round(event.totalMs) }, "available");
    case "complete":
      return logger.info({ model: event.model, versions: event.versions }, "model is served");
    case "failed":
      return logger.error(
        {
          model: event.model,
          version: event.version,
          reason: event.failure.reason,
          failures: event.failure.count,
          retryInMs: Math.round(event.retryInMs),
          err: event.error,
        },
        "failed; will try again",
      );
    case "unloading":
      return logger.info({ ...fieldsOf(event), handles: event.handles }, "unloading");
    case "unloaded":
      return logger.info(fieldsOf(event), "unloaded");
    case "stuck":
      return logger.fatal({ ...fieldsOf(event), runningMs: event.runningMs }, "a run does not end");
    default:
      return event satisfies never;
  }
}

function fieldsOf({ id }: { readonly id: { readonly name: string; readonly version: number } }): {
  readonly model: string;
  readonly version: number;
} {
  return { model: id.name, version: id.version };
}
