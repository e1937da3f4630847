import type { Serving } from "../../common/admin-api.ts";
import { ReplicaFailureError } from "../errors.ts";
import type { Activation, Aspiration, WantedVersion } from "./aspiration.ts";
import { failureOf, isLoading, type Failure } from "./harness.ts";
import { loadVersion, type LoadVersionOptions } from "./load-version.ts";
import type { ModelDescription } from "./model-description.ts";
import { ModelVersions } from "./model-versions.ts";
import { nextAction, type Action } from "./next-action.ts";
import type { RepositoryListing, VersionSelection } from "./repository.ts";
import { RepositoryWatch } from "./repository-watch.ts";
import { retryDelayMs } from "./retry-delay.ts";
import type { ServableVersion } from "./servable-version.ts";
import type { ModelObserver } from "./servable.ts";
import { SignatureGuard } from "./signature-guard.ts";
import type { Signature } from "./tensor.ts";

/** What a supervisor works with: its model's configuration and files, an engine, and what time and chance are. */
export interface SupervisorOptions extends LoadVersionOptions {
  /** Applies the model's version policy to the versions that are there, ascending. Not used where the operator chooses. */
  readonly select: (available: readonly number[]) => VersionSelection;
  /** In [0, 1). */
  readonly random: () => number;
}

/**
 * A version that is to go waits so long for its last requests, in ms, or longer if they may take longer. Whoever has a
 * handle after that, such as a stream without end, finds the model gone: no client keeps other versions from being loaded.
 */
const HANDLES_TIMEOUT_MS = 300_000;

/**
 * Keeps the wanted versions of one model loaded: asks {@link nextAction} what to do, does it, and asks again whenever
 * something has changed. Which versions those are, and which one is active, the model's policy says of what the repository holds, or the
 * operator does ({@link aspire}, {@link activate}). What fails is tried again after a while.
 */
export class ModelSupervisor {
  readonly #options: SupervisorOptions;
  readonly #versions: ModelVersions;
  readonly #watch: RepositoryWatch;
  readonly #guard: SignatureGuard;
  #wake = new AbortController();
  /** Versions that leave, which may take long. */
  readonly #unloads = new Set<Promise<void>>();
  /** The load that is under way. */
  #task: Promise<void> | undefined;
  #load: { readonly version: number; readonly stop: AbortController } | undefined;
  #isAnyMissing = false;
  #wasComplete = false;
  #told: {
    aspired?: string;
    listed?: string;
    rewritten: readonly number[];
    active?: number | undefined;
    isComplete: boolean;
  } = { rewritten: [], isComplete: false };

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#versions = new ModelVersions(options.config);
    this.#guard = new SignatureGuard(options.config, this.#versions);
    this.#watch = new RepositoryWatch({
      repository: options.repository,
      clock: options.clock,
      pollIntervalMs: options.config.pollIntervalMs,
      failureAfter: (thrown, before) => {
        const error = asReplicaFailure(thrown);
        return [this.#failureAfter(error, before), error];
      },
      onListed: (listing, before) => this.#listed(listing, before),
      onFailed: (failure, error) => this.#reportFailure(undefined, failure, error),
    });
  }

  /** What those see who ask for the model. */
  get versions(): Pick<ModelVersions, "lend" | "versionOf" | "status" | "isPrepared"> {
    return this.#versions;
  }

  /** Works until `signal` aborts, then unloads everything. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const watching = this.#watch.run(signal);
    while (!signal.aborted) {
      // What has failed is tried again after a look at the repository, since the cure may be another version.
      if (!this.#isSwitchedByOperator()) await this.#watch.settle(signal);
      if (signal.aborted) break;
      if (this.#task === undefined)
        await this.#act(nextAction(this.#versions.snapshots(), this.#options.clock.now()), signal);
      else await this.#pause(Number.POSITIVE_INFINITY, signal);
    }
    this.#versions.aspireTo([]);
    await watching;
    await this.#task;
    this.#versions.activate(undefined);
    for (;;) {
      const action = nextAction(this.#versions.snapshots(), this.#options.clock.now());
      if (action.kind !== "unload") break;
      this.#beginUnload(action.version);
    }
    await Promise.all(this.#unloads);
  }

  describe(): ModelDescription {
    return {
      ...this.#versions.describe(),
      isReady: this.isReady(),
      listed: this.#watch.listing?.versions,
      rewritten: this.#watch.listing?.rewritten ?? [],
      listingFailure: this.#watch.failure,
    };
  }

  /**
   * Whether the model answers: its active version does; and, where it chooses versions itself, all that were chosen at first have been
   * there. What comes later is loaded beside what answers.
   */
  isReady(): boolean {
    return this.#versions.isActiveReady() && (this.#isSwitchedByOperator() || this.#wasComplete);
  }

  /**
   * Sets what shall be loaded beside the active version. Throws an Error if no operator switches the model's versions.
   */
  aspire({ versions, suiting, pollIntervalMs }: Aspiration): void {
    this.#requireOperator();
    this.#watch.setPollInterval(pollIntervalMs);
    this.#guard.setRule(suiting);
    this.#aspireTo(versions, suiting?.clientsOf);
  }

  /** Makes a version the active one. Throws an Error if no operator switches the model's versions. */
  activate(serving: Serving | undefined): Activation {
    this.#requireOperator();
    const activation = this.#versions.activate(serving);
    this.#changed();
    return activation;
  }

  #isSwitchedByOperator(): boolean {
    return this.#options.config.switchedBy === "Operator";
  }

  #requireOperator(): void {
    if (!this.#isSwitchedByOperator())
      throw new Error(`model "${this.#options.config.name}" chooses its versions itself`);
  }

  #listed({ versions, rewritten }: RepositoryListing, before: Failure | undefined): ReplicaFailureError | undefined {
    const { config, select, report } = this.#options;
    const listed = JSON.stringify([versions, rewritten]);
    const wasTold = this.#told.listed === listed && before === undefined;
    this.#told.listed = listed;
    if (!wasTold) report({ kind: "listed", model: config.name, versions });
    const isMore = rewritten.some((version) => !this.#told.rewritten.includes(version));
    this.#told.rewritten = rewritten;
    if (isMore) report({ kind: "rewritten", model: config.name, versions: rewritten });
    if (this.#isSwitchedByOperator()) return undefined;
    const selection = select(versions);
    this.#isAnyMissing = selection.failure !== undefined;
    // What answers is not taken away for nothing.
    if (selection.versions.length > 0) this.#aspireTo(selection.versions.map((version) => ({ version })));
    return selection.failure;
  }

  #aspireTo(versions: readonly WantedVersion[], first?: number): void {
    const { config, report } = this.#options;
    const recalled = this.#versions.aspireTo(versions, first);
    const aspired = JSON.stringify([versions, first]);
    if (this.#told.aspired !== aspired) {
      this.#told.aspired = aspired;
      report({ kind: "aspired", model: config.name, versions: versions.map(({ version }) => version) });
    }
    for (const version of recalled) this.#tellAvailable(version, 0);
    this.#changed();
  }

  /** To be called after every change of what is wanted or here: chooses the active version, tells, and lets the next step be decided. */
  #changed(): void {
    const { config, report } = this.#options;
    this.#chooseActive();
    if (this.#load !== undefined && this.#versions.isLoadedInVain(this.#load.version)) this.#load.stop.abort();
    this.#noteComplete();
    if (this.#told.active !== this.#versions.activeVersion) {
      this.#told.active = this.#versions.activeVersion;
      report({ kind: "activated", model: config.name, version: this.#told.active });
    }
    this.#wake.abort();
  }

  /** Where the operator does not say which version is active, the greatest that is ready is. */
  #chooseActive(): void {
    if (!this.#isSwitchedByOperator()) this.#versions.activateGreatest();
  }

  #noteComplete(): void {
    this.#wasComplete ||= !this.#isAnyMissing && this.#versions.areComplete();
  }

  async #act(action: Action, signal: AbortSignal): Promise<void> {
    switch (action.kind) {
      case "load":
        this.#begin(this.#loadVersion(action.version, signal));
        return;
      case "unload":
        this.#beginUnload(action.version);
        return;
      case "wait":
        return await this.#pause(action.untilMs, signal);
      case "none":
        this.#tellComplete();
        return await this.#pause(Number.POSITIVE_INFINITY, signal);
      default:
        return action satisfies never;
    }
  }

  #begin(task: Promise<void>): void {
    this.#task = task.finally(() => {
      this.#task = undefined;
      this.#changed();
    });
  }

  #beginUnload(version: number): void {
    const unload = this.#unload(version).finally(() => {
      this.#unloads.delete(unload);
      this.#changed();
    });
    this.#unloads.add(unload);
  }

  /** Until the moment, or until something happens that nobody planned. */
  async #pause(untilMs: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    await clock.wait(untilMs - clock.now(), AbortSignal.any([signal, this.#wake.signal]));
    if (this.#wake.signal.aborted) this.#wake = new AbortController();
  }

  async #loadVersion(number: number, signal: AbortSignal): Promise<void> {
    const version = this.#versions.get(number);
    if (version === undefined) return;
    const { clock } = this.#options;
    const startMs = clock.now();
    const stop = new AbortController();
    this.#load = { version: number, stop };
    const either = AbortSignal.any([signal, stop.signal]);
    const crash: { error: ReplicaFailureError | undefined } = { error: undefined };
    const request = {
      digest: this.#versions.digestOf(number),
      isOnly: () => number === this.#versions.activeVersion || this.#versions.ready().length === 0,
      checkSignature: (signature: Signature) => this.#guard.check(version, signature),
      observer: this.#observerOf(version, crash),
      crash: () => crash.error,
    };
    try {
      await loadVersion(version, request, this.#options, either);
      version.step({ kind: "warmed-up" });
      this.#watch.noteFound(number);
      this.#told.isComplete = false;
      this.#chooseActive();
      this.#tellAvailable(version, clock.now() - startMs);
      for (const refused of this.#guard.refuseLate(version)) {
        this.#versionFailed(refused.version, asReplicaFailure(refused.error));
        await refused.version.unload();
      }
    } catch (error) {
      if (either.aborted) version.step({ kind: "cancelled" });
      else this.#versionFailed(version, crash.error ?? asReplicaFailure(error));
      await version.unload();
      if (version.state.kind === "disabled") this.#forget(version);
    } finally {
      this.#load = undefined;
    }
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
        this.#changed();
      },
    };
  }

  async #unload(number: number): Promise<void> {
    const version = this.#versions.get(number);
    if (version === undefined) return;
    const { id } = version;
    version.step({ kind: "unload-requested" });
    if (version.state.kind === "quiescing") {
      this.#told.isComplete = false;
      this.#chooseActive();
      this.#options.report({ kind: "unloading", id, handles: version.handles });
      await this.#waitForHandles(version);
      // Somebody may have called it back.
      if (version.state.kind !== "quiescing") return;
      version.step({ kind: "drained" });
      await version.unload();
      version.step({ kind: "unloaded" });
    }
    this.#forget(version);
  }

  #forget({ id }: ServableVersion): void {
    this.#versions.delete(id.version);
    this.#options.report({ kind: "unloaded", id });
  }

  async #waitForHandles(version: ServableVersion): Promise<void> {
    const { clock, warmupTimeoutMs } = this.#options;
    const returned = new AbortController();
    const late = clock.wait(Math.max(HANDLES_TIMEOUT_MS, warmupTimeoutMs), returned.signal);
    await Promise.race([version.waitForHandles(), late]);
    returned.abort();
  }

  #tellAvailable({ id, fetched }: ServableVersion, totalMs: number): void {
    this.#noteComplete();
    this.#options.report({ kind: "available", id, digest: fetched?.digest ?? "", totalMs });
  }

  #tellComplete(): void {
    if (this.#told.isComplete || !this.#versions.areComplete()) return;
    if (this.#versions.snapshots().some(({ state, isAspired }) => isLoading(state) || !isAspired)) return;
    this.#told.isComplete = true;
    this.#options.report({ kind: "complete", model: this.#options.config.name, versions: this.#versions.ready() });
  }

  #versionFailed(version: ServableVersion, error: ReplicaFailureError): void {
    const failure = this.#failureAfter(error, failureOf(version.state).failure);
    version.step({ kind: "failed", failure });
    this.#chooseActive();
    if (!this.#isSwitchedByOperator()) this.#watch.expectBy(failure.retryAtMs);
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

function asReplicaFailure(error: unknown): ReplicaFailureError {
  if (error instanceof ReplicaFailureError) return error;
  return new ReplicaFailureError("InternalError", "an unexpected error; the replica's log has the details", {
    cause: error,
  });
}
