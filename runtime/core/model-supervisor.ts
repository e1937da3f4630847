import type { Serving } from "../../common/admin-api.ts";
import { ReplicaFailureError } from "../errors.ts";
import type { Aspiration, AspiredVersion } from "./aspiration.ts";
import { failureOf, type Failure } from "./harness.ts";
import type { ManagerEvent } from "./manager-event.ts";
import type { ModelDescription } from "./model-description.ts";
import { checkState } from "./model-state.ts";
import { ModelVersions } from "./model-versions.ts";
import { nextAction, type Action } from "./next-action.ts";
import { prepareModel, type PreparationObserver, type PrepareModelOptions } from "./prepare-model.ts";
import type { FetchedVersion, ModelRepository, VersionSelection } from "./repository.ts";
import { retryDelayMs } from "./retry-delay.ts";
import type { ServableVersion } from "./servable-version.ts";
import type { InferenceEngine, LoadedModel, ModelObserver } from "./servable.ts";
import { incompatibility } from "./signature-compatibility.ts";

/** What a supervisor works with: its model's configuration and files, an engine, and what time and chance are. */
export interface SupervisorOptions extends PrepareModelOptions {
  readonly repository: ModelRepository;
  readonly engine: InferenceEngine;
  /** Applies the model's version policy to the versions that are there, ascending. */
  readonly select: (available: readonly number[]) => VersionSelection;
  /** In [0, 1). */
  readonly random: () => number;
  readonly report: (event: ManagerEvent) => void;
}

/**
 * A version that is to go waits so long for its last requests, in ms, or longer if they may take longer. Whoever has a
 * handle after that, such as a stream without end, finds the model gone: no client keeps other versions from being loaded.
 */
const HANDLES_TIMEOUT_MS = 300_000;

interface Listing {
  /** When the repository is to be listed, again. */
  readonly dueAtMs: number;
  /** Why it could not be, or what it lacks. */
  readonly failure: Failure | undefined;
}

/**
 * Keeps the aspired versions of one model loaded: lists the repository, asks {@link nextAction} what to do, does it, and
 * asks again. What fails is tried again after a while, from the listing on, since the cure may be another version. Which
 * versions are aspired to follows from the listing by the policy, or is said by the operator, who then also says which one
 * is active.
 */
export class ModelSupervisor {
  readonly #options: SupervisorOptions;
  readonly #versions: ModelVersions;
  #listing: Listing = { dueAtMs: Number.NEGATIVE_INFINITY, failure: undefined };
  #listed: readonly number[] | undefined;
  #pollIntervalMs: number;
  #wasComplete = false;
  readonly #unloads = new Set<Promise<void>>();
  #wake = new AbortController();

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#versions = new ModelVersions(options.config);
    this.#pollIntervalMs = options.config.pollIntervalMs;
  }

  /** What those see who ask for the model. */
  get versions(): Pick<ModelVersions, "lend" | "versionOf" | "status" | "isPrepared"> {
    return this.#versions;
  }

  /** Works until `signal` aborts, then unloads everything. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.#listing.dueAtMs <= this.#options.clock.now()) await this.#list(signal);
      else await this.#act(nextAction(this.#versions.snapshots(), this.#options.clock.now()), signal);
    }
    this.#versions.aspireTo([]);
    this.#versions.direct(undefined);
    for (;;) {
      const action = nextAction(this.#versions.snapshots(), this.#options.clock.now());
      if (action.kind !== "unload") break;
      this.#beginUnload(action.version);
    }
    await Promise.all(this.#unloads);
  }

  /** Says what shall be loaded, of a model that the operator switches. The active version stays, whatever this says. */
  aspire({ versions, pollIntervalMs }: Aspiration): void {
    this.#versions.aspireTo(versions);
    if (pollIntervalMs !== this.#pollIntervalMs) {
      this.#pollIntervalMs = pollIntervalMs;
      if (this.#listed !== undefined && this.#listing.failure === undefined) this.#listing = this.#nextListing();
    }
    this.#wake.abort();
  }

  /** Says which version answers requests that name none, at once; undefined: none does. */
  direct(serving: Serving | undefined): void {
    this.#versions.direct(serving);
    this.#wake.abort();
  }

  describe(): ModelDescription {
    return {
      ...this.#versions.describe(),
      listed: this.#listed,
      rewritten: this.#options.repository.rewrittenVersions?.() ?? [],
      isServing: this.isServing(),
      listingFailure: this.#listing.failure,
    };
  }

  /**
   * Whether the model answers as it should: once all that it was told to serve answered, others that are being loaded, or
   * fail to, change nothing about that.
   */
  isServing(): boolean {
    const hasActive = this.#versions.active !== undefined;
    if (this.#options.config.switchedBy === "Operator") return hasActive;
    this.#wasComplete ||= this.#isComplete();
    return this.#wasComplete && hasActive;
  }

  /** Whether every aspired version is available, and none is missing in the repository. */
  #isComplete(): boolean {
    return this.#listing.failure === undefined && this.#versions.areComplete();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { config, repository, select, report } = this.#options;
    const before = this.#listing.failure;
    try {
      const listed = await repository.listVersions(signal);
      this.#listing = this.#nextListing();
      const isNews = this.#listed?.join() !== listed.join() || before !== undefined;
      this.#listed = listed;
      if (config.switchedBy === "Operator") {
        if (isNews) report({ kind: "listed", model: config.name, aspired: listed });
        return;
      }
      const selection = select(listed);
      this.#versions.aspireTo(selection.versions.map((version) => this.#suited(version)));
      if (isNews) report({ kind: "listed", model: config.name, aspired: selection.versions });
      if (selection.failure !== undefined) this.#listingFailed(selection.failure, before);
    } catch (error) {
      if (!signal.aborted) this.#listingFailed(asReplicaFailure(error), before);
    }
  }

  /** A version that was fetched is in the repository, also if it came there after the last listing. */
  #noteFound(version: number): void {
    if (this.#listed === undefined || this.#listed.includes(version)) return;
    this.#listed = [...this.#listed, version].sort((a, b) => a - b);
  }

  /** A version that follows another one must suit its clients, unless they were told. */
  #suited(version: number): AspiredVersion {
    const active = this.#versions.active?.id.version;
    const isFollower =
      active !== undefined && version !== active && this.#versions.get(version)?.state.kind !== "ready";
    if (!isFollower || this.#options.config.signatureChange === "Allow") return { version };
    return { version, compatibleWith: active };
  }

  #nextListing(): Listing {
    const { clock, random } = this.#options;
    // A tenth more or less: replicas that started together should not ask together for ever.
    const delayMs = this.#pollIntervalMs * (0.9 + 0.2 * random());
    return { dueAtMs: delayMs === 0 ? Number.POSITIVE_INFINITY : clock.now() + delayMs, failure: undefined };
  }

  #listingFailed(error: ReplicaFailureError, before: Failure | undefined): void {
    const failure = this.#failureAfter(error, before);
    this.#listing = { dueAtMs: failure.retryAtMs, failure };
    this.#reportFailure(undefined, failure, error);
  }

  async #act(action: Action, signal: AbortSignal): Promise<void> {
    switch (action.kind) {
      case "load":
        return await this.#load(action.version, signal);
      case "unload":
        return this.#beginUnload(action.version);
      case "wait":
        return await this.#pause(action.untilMs, signal);
      case "none":
        return await this.#pause(Number.POSITIVE_INFINITY, signal);
      default:
        return action satisfies never;
    }
  }

  /** Until the moment, or until something happens that nobody planned. */
  async #pause(untilMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    const dueAtMs = Math.min(untilMs, this.#listing.dueAtMs);
    await clock.wait(dueAtMs - clock.now(), AbortSignal.any([signal, this.#wake.signal]));
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }

  async #load(number: number, signal: AbortSignal): Promise<void> {
    const version = this.#versions.get(number);
    if (version === undefined) return;
    const { clock, repository, engine, report } = this.#options;
    const { id } = version;
    const startMs = clock.now();
    const crash: { error: ReplicaFailureError | undefined } = { error: undefined };
    version.step({ kind: "load-requested" });
    report({ kind: "fetching", id });
    try {
      const fetched = await repository.fetchVersion(
        number,
        (progress) => version.state.kind === "fetching" && version.step({ kind: "progressed", progress }),
        signal,
      );
      const aspiration = this.#versions.aspirationTo(number);
      checkDigest(fetched, aspiration);
      version.keepFetched(fetched);
      this.#noteFound(number);
      version.step({ kind: "fetched" });
      const fetchedMs = clock.now();
      report({ kind: "loading", id, sizeBytes: fetched.sizeBytes, fetchMs: fetchedMs - startMs });
      const model = await engine.load(fetched.modelFile, signal, {
        id,
        concurrency: this.#options.config.concurrency,
        observer: this.#observerOf(version, crash),
      });
      version.keepModel(model);
      checkState(this.#options.config.state, model.signature);
      this.#checkCompatibility(model, aspiration?.compatibleWith);
      version.step({ kind: "loaded" });
      report({ kind: "warming-up", id, loadMs: clock.now() - fetchedMs });
      const observer: PreparationObserver = {
        unbatchable: (why) => report({ kind: "unbatchable", id, why }),
        unwarmed: (why) => report({ kind: "unwarmed", id, why }),
      };
      version.keepModel(await prepareModel(model, fetched, this.#options, observer, signal));
      // It may have crashed between two requests, or none was made.
      if (crash.error !== undefined) throw crash.error;
      version.step({ kind: "warmed-up" });
      this.#versions.activate();
      report({ kind: "available", id, digest: fetched.digest, totalMs: clock.now() - startMs });
      if (this.#isComplete())
        report({ kind: "complete", model: id.name, versions: this.#versions.status().availableVersions });
    } catch (error) {
      if (signal.aborted) version.step({ kind: "cancelled" });
      else this.#versionFailed(version, crash.error ?? asReplicaFailure(error));
      await version.unload();
      if (version.state.kind === "disabled") this.#versions.delete(number);
    }
  }

  #checkCompatibility(model: LoadedModel, compatibleWith: number | undefined): void {
    const other = compatibleWith === undefined ? undefined : this.#versions.get(compatibleWith)?.signature;
    if (other === undefined) return;
    const why = incompatibility(other, model.signature, this.#options.config.state);
    if (why !== undefined)
      throw new ReplicaFailureError(
        "SignatureMismatch",
        `clients of version ${compatibleWith} could not use it: ${why}`,
      );
  }

  #observerOf(version: ServableVersion, crash: { error: ReplicaFailureError | undefined }): ModelObserver {
    const { id } = version;
    return {
      ran: (run) => this.#options.report({ kind: "ran", id, ...run }),
      stuck: (runningMs) => this.#options.report({ kind: "stuck", id, runningMs }),
      crashed: (error) => {
        crash.error = error;
        // While it is loading or warming up, whoever loads it finds out.
        if (version.state.kind !== "ready") return;
        this.#versionFailed(version, error);
        void version.unload();
        this.#wake.abort();
      },
    };
  }

  #beginUnload(number: number): void {
    const unload = this.#unload(number).finally(() => {
      this.#unloads.delete(unload);
      this.#wake.abort();
    });
    this.#unloads.add(unload);
  }

  async #unload(number: number): Promise<void> {
    const version = this.#versions.get(number);
    if (version === undefined) return;
    const { id } = version;
    version.step({ kind: "unload-requested" });
    this.#versions.activate();
    if (version.state.kind === "quiescing") {
      this.#options.report({ kind: "unloading", id, handles: version.handles });
      await this.#waitForHandles(version);
      version.step({ kind: "drained" });
      await version.unload();
      version.step({ kind: "unloaded" });
      this.#options.report({ kind: "unloaded", id });
    }
    this.#versions.delete(number);
  }

  async #waitForHandles(version: ServableVersion): Promise<void> {
    const { clock, warmupTimeoutMs } = this.#options;
    const returned = new AbortController();
    const late = clock.wait(Math.max(HANDLES_TIMEOUT_MS, warmupTimeoutMs), returned.signal);
    await Promise.race([version.waitForHandles(), late]);
    returned.abort();
  }

  #versionFailed(version: ServableVersion, error: ReplicaFailureError): void {
    const failure = this.#failureAfter(error, failureOf(version.state).failure);
    version.step({ kind: "failed", failure });
    this.#versions.activate();
    // The cure may be another version.
    if (this.#listing.failure === undefined && failure.retryAtMs < this.#listing.dueAtMs)
      this.#listing = { dueAtMs: failure.retryAtMs, failure: undefined };
    this.#reportFailure(version.id.version, failure, error);
  }

  #failureAfter(error: ReplicaFailureError, before: Failure | undefined): Failure {
    const { clock, random } = this.#options;
    const count = (before?.count ?? 0) + 1;
    const retryAtMs = clock.now() + retryDelayMs(error.reason, count, random());
    return { reason: error.reason, message: error.message, count, retryAtMs };
  }

  #reportFailure(version: number | undefined, failure: Failure, error: ReplicaFailureError): void {
    const { clock, config, report } = this.#options;
    report({ kind: "failed", model: config.name, version, failure, retryInMs: failure.retryAtMs - clock.now(), error });
  }
}

function checkDigest({ version, digest }: FetchedVersion, aspiration: AspiredVersion | undefined): void {
  if (aspiration?.digest === undefined || aspiration.digest === digest) return;
  throw new ReplicaFailureError(
    "VersionRewritten",
    `version ${version}: expected ${aspiration.digest}, as other replicas have it, got ${digest}`,
  );
}

function asReplicaFailure(error: unknown): ReplicaFailureError {
  if (error instanceof ReplicaFailureError) return error;
  return new ReplicaFailureError("InternalError", "an unexpected error; the replica's log has the details", {
    cause: error,
  });
}
