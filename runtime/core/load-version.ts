import type { ReplicaFailureError } from "../errors.ts";
import type { ManagerEvent } from "./manager-event.ts";
import type { MemoryGuard } from "./memory-guard.ts";
import { checkState } from "./model-state.ts";
import { prepareModel, type PreparationObserver, type PrepareModelOptions } from "./prepare-model.ts";
import type { FetchedVersion, ModelRepository } from "./repository.ts";
import type { ServableVersion } from "./servable-version.ts";
import type { InferenceEngine, ModelObserver } from "./servable.ts";
import type { Signature } from "./tensor.ts";

/** What a version is loaded with. */
export interface LoadVersionOptions extends PrepareModelOptions {
  readonly repository: ModelRepository;
  readonly engine: InferenceEngine;
  readonly memory: MemoryGuard;
  readonly report: (event: ManagerEvent) => void;
}

/** What the load of one version is to respect. */
export interface LoadVersionRequest {
  /** The file that it must be; undefined if any will do. */
  readonly digest: string | undefined;
  /** Whether nothing else of the model answers what this version is for. */
  readonly isOnly: () => boolean;
  /** Says what is wrong with the model's signature, before it is warmed up. Throws ReplicaFailureError. */
  readonly checkSignature: (signature: Signature) => void;
  /** Told of the model while it runs. `crashed` ends up in {@link LoadVersionRequest.crash}, too. */
  readonly observer: ModelObserver;
  /** Why the model crashed, as soon as it has. */
  readonly crash: () => ReplicaFailureError | undefined;
}

/**
 * Brings a version from new, or failed, to warmed up: the step to ready is the caller's. Whatever was loaded belongs to the
 * version, also when this throws. Throws ReplicaFailureError, or the signal's reason.
 */
export async function loadVersion(
  version: ServableVersion,
  request: LoadVersionRequest,
  options: LoadVersionOptions,
  signal: AbortSignal,
): Promise<void> {
  const { clock, repository, engine, report, config } = options;
  const { id } = version;
  const startMs = clock.now();
  version.step({ kind: "load-requested" });
  report({ kind: "fetching", id });
  const reserve = (of: FetchedVersion): Promise<Disposable> =>
    options.memory.reserve(of, config.concurrency.instances, request.isOnly());
  // How large it is was found out the last time: there is no need to look at all its bytes again to find no room for them.
  if (version.fetched !== undefined) (await reserve(version.fetched))[Symbol.dispose]();
  const fetched = await repository.fetchVersion(
    id.version,
    (progress) => version.state.kind === "fetching" && version.step({ kind: "progressed", progress }),
    signal,
    request.digest,
  );
  version.keepFetched(fetched);
  version.step({ kind: "fetched" });
  const fetchedMs = clock.now();
  using _ = await reserve(fetched);
  const { modelFile, sizeBytes } = fetched;
  report({ kind: "loading", id, modelFile, sizeBytes, fetchMs: fetchedMs - startMs });
  const model = await engine.load(modelFile, signal, {
    id,
    concurrency: config.concurrency,
    observer: request.observer,
  });
  version.keepModel(model);
  checkState(config.state, model.signature);
  request.checkSignature(model.signature);
  version.step({ kind: "loaded" });
  report({ kind: "warming-up", id, loadMs: clock.now() - fetchedMs });
  const observer: PreparationObserver = {
    unbatchable: (why) => report({ kind: "unbatchable", id, why }),
    unwarmed: (why) => report({ kind: "unwarmed", id, why }),
  };
  version.keepModel(await prepareModel(model, fetched, options, observer, signal));
  // It may have crashed between two requests, or none was made.
  const crash = request.crash();
  if (crash !== undefined) throw crash;
}
