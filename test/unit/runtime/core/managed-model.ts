import { onTestFinished } from "vitest";
import { parseRuntimeConfig, type VersionPolicy } from "../../../../common/runtime-config.ts";
import type { ManagerEvent } from "../../../../runtime/core/manager-event.ts";
import { Manager } from "../../../../runtime/core/manager.ts";
import { MemoryGuard } from "../../../../runtime/core/memory-guard.ts";
import type { MemoryState } from "../../../../runtime/core/memory-need.ts";
import type {
  FetchedVersion,
  ModelRepository,
  RepositoryListing,
  VersionSelection,
} from "../../../../runtime/core/repository.ts";
import type { InferenceEngine, LoadedModel, LoadOptions, ModelObserver } from "../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../runtime/core/tensor.ts";
import { ReplicaFailureError } from "../../../../runtime/errors.ts";
import { ManualClock } from "../../../fixtures/manual-clock.ts";

export const SIGNATURE: Signature = {
  inputs: [{ name: "input", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "output", datatype: "FP32", shape: [-1] }],
};

/** A repository whose content and failures the test sets. */
export class FakeRepository implements ModelRepository {
  versions: number[] = [1];
  rewritten: number[] = [];
  /** Of each version. */
  sizeBytes = 10;
  arriving: number[] = [];
  /** Those that differ from `sha256:VERSION`. */
  readonly digests = new Map<number, string>();
  listError: Error | undefined;
  readonly fetchErrors = new Map<number, Error>();
  /** Set, a fetch waits for it. */
  gate: Promise<void> | undefined;
  readonly calls: string[] = [];

  async listVersions(): Promise<RepositoryListing> {
    this.calls.push("list");
    if (this.listError !== undefined) throw this.listError;
    return { versions: this.versions, rewritten: this.rewritten, arriving: this.arriving };
  }

  async fetchVersion(
    version: number,
    report: (progress: { bytesDone: number; bytesTotal: number | undefined }) => void,
    signal: AbortSignal,
    digest?: string,
  ): Promise<FetchedVersion> {
    this.calls.push(`fetch ${version}${digest === undefined ? "" : ` as ${digest}`}`);
    report({ bytesDone: 5, bytesTotal: 10 });
    if (this.gate !== undefined) {
      const aborted = new Promise<void>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      await Promise.race([this.gate, aborted]);
    }
    const error = this.fetchErrors.get(version);
    if (error !== undefined) throw error;
    const found = this.digests.get(version) ?? `sha256:${version}`;
    if (digest !== undefined && digest !== found)
      throw new ReplicaFailureError("VersionRewritten", `expected ${digest}, got ${found}`);
    return {
      version,
      modelFile: `/models/${version}`,
      digest: found,
      sizeBytes: this.sizeBytes,
      modelSizeBytes: this.sizeBytes,
    };
  }
}

/** An engine whose models answer, until the test says otherwise. */
export class FakeEngine implements InferenceEngine {
  readonly loaded = new Map<
    string,
    Pick<LoadOptions, "id"> & { model: LoadedModel; observer: ModelObserver | undefined }
  >();
  readonly disposed: string[] = [];
  /** By file, where they are not the usual one. */
  readonly signatures = new Map<string, Signature>();
  readonly warmups: (readonly Tensor[])[] = [];
  loadError: Error | undefined;
  inferError: Error | undefined;

  async load(file: string, _signal: AbortSignal, { id, observer }: LoadOptions = {}): Promise<LoadedModel> {
    if (this.loadError !== undefined) throw this.loadError;
    const model: LoadedModel = {
      signature: this.signatures.get(file) ?? SIGNATURE,
      execution: () => ({ placement: "Worker", instances: 1, intraOpThreads: 1, batching: undefined }),
      infer: async ({ inputs }) => {
        this.warmups.push(inputs);
        if (this.inferError !== undefined) throw this.inferError;
        return { outputs: [], timing: { queueMs: 0, computeMs: 0, batchSize: 1 } };
      },
      [Symbol.asyncDispose]: async () => void this.disposed.push(file),
    };
    this.loaded.set(file, { ...(id !== undefined && { id }), model, observer });
    return model;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

export interface SetUp {
  readonly policy?: VersionPolicy;
  readonly iterations?: number;
  readonly pollIntervalMs?: number;
  readonly switchedBy?: "Itself" | "Operator";
  readonly signatureChange?: "Refuse" | "Allow";
  readonly maxBatchSize?: number;
  readonly state?: readonly { input: string; output: string }[];
}

export function setUp(options: SetUp = {}): {
  manager: Manager;
  repository: FakeRepository;
  engine: FakeEngine;
  clock: ManualClock;
  events: ManagerEvent[];
  /** What the process may use; not known unless the test says so. */
  memory: { state: MemoryState | undefined };
} {
  const repository = new FakeRepository();
  const engine = new FakeEngine();
  const clock = new ManualClock();
  const events: ManagerEvent[] = [];
  const memory: { state: MemoryState | undefined } = { state: undefined };
  const config = parseRuntimeConfig({
    configVersion: 1,
    service: { namespace: "default", name: "digits" },
    models: [
      {
        name: "digits",
        format: "onnx",
        storageUri: "s3://models/digits",
        pollIntervalMs: options.pollIntervalMs ?? 0,
        switchedBy: options.switchedBy ?? "Itself",
        signatureChange: options.signatureChange ?? "Refuse",
        warmup: { iterations: options.iterations ?? 1 },
        batcher: { maxBatchSize: options.maxBatchSize ?? 1 },
        state: [...(options.state ?? [])],
        ...(options.policy !== undefined && { versionPolicy: options.policy }),
      },
    ],
  });
  const [model] = config.models;
  if (model === undefined) throw new Error("no model");
  const manager = new Manager({
    models: [{ config: model, repository, select: (available) => select(available, model.versionPolicy) }],
    engine,
    clock,
    random: () => 0,
    warmupTimeoutMs: 60_000,
    memory: new MemoryGuard(() => Promise.resolve(memory.state)),
    afterTurn: setImmediate,
    report: (event) => events.push(event),
  });
  onTestFinished(() => manager[Symbol.asyncDispose]());
  return { manager, repository, engine, clock, events, memory };
}

function select(available: readonly number[], policy: VersionPolicy): VersionSelection {
  if (policy.kind === "all") return { versions: available };
  if (policy.kind === "latest") return { versions: available.slice(-policy.count) };
  const missing = policy.versions.filter((version) => !available.includes(version));
  const versions = policy.versions.filter((version) => available.includes(version));
  if (missing.length === 0) return { versions };
  return { versions, failure: new ReplicaFailureError("VersionNotFound", `no ${missing.join(", ")}`) };
}

export const stateOf = (manager: Manager): unknown =>
  manager.describe()[0]?.versions.map(({ version, state }) => `${version} ${state.kind}`);
export const kindsOf = (events: readonly ManagerEvent[]): string[] => events.map(({ kind }) => kind);
