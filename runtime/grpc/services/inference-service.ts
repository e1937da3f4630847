import { ServingError } from "../../errors.ts";
import {
  noLogSettings,
  noSharedMemory,
  noSuchRegion,
  noTracing,
  TRACE_SETTINGS,
} from "../../protocol/v2/absent-features.ts";
import { modelMetadata, serverMetadata } from "../../protocol/v2/metadata.ts";
import { modelConfiguration } from "../../protocol/v2/model-config.ts";
import { checkLoad, checkRepositoryName, refuseUnload, repositoryIndex } from "../../protocol/v2/model-repository.ts";
import { statisticsReport } from "../../protocol/v2/statistics.ts";
import * as inference from "../proto/inference.gen.ts";
import type { Method } from "../server/method.ts";
import { messageMethod } from "./message-method.ts";
import { modelConfigMessage } from "./model-config-message.ts";
import { modelInfer } from "./model-infer.ts";
import { modelStreamInfer } from "./model-stream-infer.ts";
import type { ServiceOptions } from "./service-options.ts";
import { v2Target, v2Version } from "./v2-target.ts";

export interface InferenceServiceOptions extends ServiceOptions {
  /** Whether the replica answers for all of its models, and is not going away. */
  readonly isReady: () => boolean;
  readonly isDraining: () => boolean;
  /** Requests of one stream that are worked on at a time. */
  readonly maxStreamItems: number;
}

/** The methods of inference.GRPCInferenceService, by their names. */
export function inferenceService(options: InferenceServiceOptions): Readonly<Record<string, Method>> {
  const { servables, path } = options;
  return {
    ...sharedMemoryMethods(),
    ModelInfer: modelInfer(options),
    ModelStreamInfer: modelStreamInfer(options, options.maxStreamItems),
    ServerLive: messageMethod(inference.ServerLiveRequest, inference.ServerLiveResponse, () => ({ live: true })),
    ServerReady: messageMethod(inference.ServerReadyRequest, inference.ServerReadyResponse, () => ({
      ready: options.isReady(),
    })),
    ModelReady: messageMethod(inference.ModelReadyRequest, inference.ModelReadyResponse, ({ name, version }) => ({
      ready: isLoaded(options, name, version) && !options.isDraining(),
    })),
    ServerMetadata: messageMethod(inference.ServerMetadataRequest, inference.ServerMetadataResponse, () =>
      serverMetadata(options.version),
    ),
    ModelMetadata: messageMethod(
      inference.ModelMetadataRequest,
      inference.ModelMetadataResponse,
      ({ name, version }) => {
        using servable = path.acquire(v2Target(name, version));
        return modelMetadata(servables, servable);
      },
    ),
    ModelConfig: messageMethod(inference.ModelConfigRequest, inference.ModelConfigResponse, ({ name, version }) => {
      using servable = path.acquire(v2Target(name, version));
      return { config: modelConfigMessage(modelConfiguration(servables, servable)) };
    }),
    ModelStatistics: messageMethod(
      inference.ModelStatisticsRequest,
      inference.ModelStatisticsResponse,
      ({ name, version }) => ({ modelStats: statisticsMessages(options, name, version) }),
    ),
    RepositoryIndex: messageMethod(
      inference.RepositoryIndexRequest,
      inference.RepositoryIndexResponse,
      ({ repositoryName, ready }) => {
        checkRepositoryName(repositoryName);
        return { models: repositoryIndex(servables, { isReadyOnly: ready }) };
      },
    ),
    RepositoryModelLoad: messageMethod(
      inference.RepositoryModelLoadRequest,
      inference.RepositoryModelLoadResponse,
      (request) => {
        const { repository, model } = repositoryTarget(
          request,
          servables.models().map(({ name }) => name),
        );
        checkRepositoryName(repository);
        checkLoad(servables, model, [...request.parameters.keys()]);
        return {};
      },
    ),
    RepositoryModelUnload: messageMethod(
      inference.RepositoryModelUnloadRequest,
      inference.RepositoryModelUnloadResponse,
      (request) => {
        const { repository, model } = repositoryTarget(
          request,
          servables.models().map(({ name }) => name),
        );
        checkRepositoryName(repository);
        return refuseUnload(servables, model);
      },
    ),
    TraceSetting: messageMethod(inference.TraceSettingRequest, inference.TraceSettingResponse, ({ settings }) => {
      if (settings.size > 0) throw noTracing();
      const entries = Object.entries(TRACE_SETTINGS).map(
        ([name, value]) => [name, { value: typeof value === "string" ? [value] : value }] as const,
      );
      return { settings: new Map(entries) };
    }),
    LogSettings: messageMethod(inference.LogSettingsRequest, inference.LogSettingsResponse, () => {
      throw noLogSettings();
    }),
  };
}

/** Clients look whether there is any; there is none. */
function sharedMemoryMethods(): Readonly<Record<string, Method>> {
  const status = ({ name }: { readonly name: string }): Record<string, never> => {
    if (name !== "") throw noSuchRegion();
    return {};
  };
  const refuse = (): never => {
    throw noSharedMemory();
  };
  // Of no name: all of them, which are none.
  const unregister = ({ name }: { readonly name: string }): Record<string, never> => {
    if (name !== "") throw noSuchRegion();
    return {};
  };
  return {
    SystemSharedMemoryStatus: messageMethod(
      inference.SystemSharedMemoryStatusRequest,
      inference.SystemSharedMemoryStatusResponse,
      status,
    ),
    SystemSharedMemoryRegister: messageMethod(
      inference.SystemSharedMemoryRegisterRequest,
      inference.SystemSharedMemoryRegisterResponse,
      refuse,
    ),
    SystemSharedMemoryUnregister: messageMethod(
      inference.SystemSharedMemoryUnregisterRequest,
      inference.SystemSharedMemoryUnregisterResponse,
      unregister,
    ),
    CudaSharedMemoryStatus: messageMethod(
      inference.CudaSharedMemoryStatusRequest,
      inference.CudaSharedMemoryStatusResponse,
      status,
    ),
    CudaSharedMemoryRegister: messageMethod(
      inference.CudaSharedMemoryRegisterRequest,
      inference.CudaSharedMemoryRegisterResponse,
      refuse,
    ),
    CudaSharedMemoryUnregister: messageMethod(
      inference.CudaSharedMemoryUnregisterRequest,
      inference.CudaSharedMemoryUnregisterResponse,
      unregister,
    ),
  };
}

/** Throws ServingError (NotFound) for what is not served at all. */
function isLoaded({ path }: ServiceOptions, name: string, version: string): boolean {
  try {
    path.acquire(v2Target(name, version))[Symbol.dispose]();
    return true;
  } catch (error) {
    if (error instanceof ServingError && error.code === "Unavailable") return false;
    throw error;
  }
}

/** KServe's clients write the model's name where Triton's write the repository's, and nothing else. */
function repositoryTarget(
  { repositoryName, modelName }: { readonly repositoryName: string; readonly modelName: string },
  models: readonly string[],
): { readonly repository: string; readonly model: string } {
  const isKserve = modelName === "" && models.includes(repositoryName);
  return isKserve ? { repository: "", model: repositoryName } : { repository: repositoryName, model: modelName };
}

function statisticsMessages(options: ServiceOptions, name: string, version: string) {
  const number = v2Version(version);
  const target = { ...(name !== "" && { model: name }), ...(number !== undefined && { version: number }) };
  return statisticsReport(options, target).model_stats.map((report) => {
    const { inference_stats: stats } = report;
    return {
      name: report.name,
      version: report.version,
      lastInference: report.last_inference,
      inferenceCount: report.inference_count,
      executionCount: report.execution_count,
      inferenceStats: {
        success: stats.success,
        fail: stats.fail,
        queue: stats.queue,
        computeInput: stats.compute_input,
        computeInfer: stats.compute_infer,
        computeOutput: stats.compute_output,
        cacheHit: stats.cache_hit,
        cacheMiss: stats.cache_miss,
      },
      batchStats: report.batch_stats.map((batch) => ({
        batchSize: batch.batch_size,
        computeInput: batch.compute_input,
        computeInfer: batch.compute_infer,
        computeOutput: batch.compute_output,
      })),
    };
  });
}
