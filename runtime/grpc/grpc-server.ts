import type { AddressInfo } from "node:net";
import type { Logger } from "../../common/logger.ts";
import { BodyBudget } from "../serving/body-budget.ts";
import type { DismissalReason } from "../serving/connection-term.ts";
import { UnsentAnswers } from "../serving/unsent-answers.ts";
import { completeGrpcLimits, type GrpcLimits } from "./server/grpc-limits.ts";
import { createGrpcTransport, type GrpcServer } from "./server/grpc-server.ts";
import type { Method } from "./server/method.ts";
import { createHealthService, type HealthOf } from "./services/health-service.ts";
import { inferenceService } from "./services/inference-service.ts";
import { reflectionService } from "./services/reflection-service.ts";
import type { ServiceOptions } from "./services/service-options.ts";
import { modelService, predictionService } from "./services/tensorflow-service.ts";

/** What the server of the port for gRPC needs of the rest of the replica. */
export interface GrpcServerOptions extends ServiceOptions {
  readonly logger: Logger;
  /** Memory for messages, where servers of other protocols share it. Default: one of 8 x maxMessageBytes, for this server. */
  readonly budget?: BodyBudget;
  /** Memory for answers that are not taken, likewise. Default: one of 4 x maxMessageBytes, for this server. */
  readonly unsent?: UnsentAnswers;
  /** Gives numbers from 0 to 1. Default: Math.random. */
  readonly random?: () => number;
  /** Told of each connection whose client is asked to make another, but for the end of the server. */
  readonly onDismissed?: (reason: DismissalReason) => void;
  /** Told of each call when it is over: the name of its status, or the HTTP status of what was no call of gRPC. */
  readonly onAnswered?: (code: string) => void;
  /** Told of each connection that was closed unanswered because too many were open. */
  readonly onDropped?: () => void;
  readonly limits?: Partial<GrpcLimits>;
}

/** Makes a server; it does not listen yet. Throws RangeError if a limit is not a whole number, or too small. */
export function createGrpcServer(options: GrpcServerOptions): GrpcServer {
  const limits = completeGrpcLimits(options.limits);
  const { servables, protocols } = options;
  let draining = false;
  const isDraining = (): boolean => draining;
  const isReady = (): boolean => !draining && servables.isReady();

  const services = new Map<string, Readonly<Record<string, Method>>>();
  if (protocols.has("v2")) {
    const { maxStreamItems } = limits;
    services.set(
      "inference.GRPCInferenceService",
      inferenceService({ ...options, isReady, isDraining, maxStreamItems }),
    );
  }
  if (protocols.has("tensorflow-serving")) {
    services.set("tensorflow.serving.PredictionService", predictionService(options));
    services.set("tensorflow.serving.ModelService", modelService(options));
  }
  const healthOf: HealthOf = (service) => {
    if (service === "" || services.has(service)) return isReady();
    const model = servables.models().find(({ name }) => name === service);
    return model === undefined ? undefined : !draining && model.activeVersion !== undefined;
  };
  const health = createHealthService(healthOf);
  services.set("grpc.health.v1.Health", health.methods);
  const reflected: string[] = [];
  for (const name of ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"])
    services.set(name, reflectionService(reflected));
  reflected.push(...services.keys());

  const transport = createGrpcTransport({
    methods: new Map(
      [...services].flatMap(([service, methods]) =>
        Object.entries(methods).map(([name, method]): [string, Method] => [`/${service}/${name}`, method]),
      ),
    ),
    limits,
    requestTimeoutMs: options.requestTimeoutMs,
    budget: options.budget ?? new BodyBudget(8 * limits.maxMessageBytes),
    unsent: options.unsent ?? new UnsentAnswers(4 * limits.maxMessageBytes),
    logger: options.logger,
    random: options.random ?? Math.random,
    onDismissed: (reason) => options.onDismissed?.(reason),
    onAnswered: (code) => options.onAnswered?.(code),
    onDropped: () => options.onDropped?.(),
  });
  return {
    listen: (host, port): Promise<AddressInfo> => transport.listen(host, port),
    beginDrain: () => {
      draining = true;
      health.look();
      transport.beginDrain();
    },
    rebalance: (withinMs) => transport.rebalance(withinMs),
    close: async (deadlineMs) => {
      draining = true;
      const closed = transport.close(deadlineMs);
      health.look();
      await closed;
      health[Symbol.dispose]();
    },
  };
}
