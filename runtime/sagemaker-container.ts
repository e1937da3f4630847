import { EnvironmentError, type Environment } from "../common/environment.ts";
import { ADMIN_PORT, GRPC_PORT } from "../common/ports.ts";

/** Where SageMaker puts the model: version folders, or a version's files. */
const MODEL_FOLDER = "file:///opt/ml/model";
/** The folder's name says nothing of the model. */
const MODEL_NAME = "model";
const MIB = 1024 * 1024;
/** As much as is taken anyway. */
const DEFAULT_BODY_MIB = 64;

/**
 * The environment of a process that SageMaker starts, by its container contract: with the argument `serve`, the model in
 * a folder of its own, and in an inference pipeline the port for requests in SAGEMAKER_BIND_TO_PORT, and those that are
 * free beside it in SAGEMAKER_SAFE_PORT_RANGE. For a process that is started otherwise, its environment as it is. What
 * LOCKSTEP_* variables say goes first, other than the port: requests come to no other. Throws EnvironmentError.
 */
export function sagemakerEnvironment(args: readonly string[], environment: Environment): Environment {
  if (args[0] !== "serve") return environment;
  const isTold = isSet(environment, "LOCKSTEP_CONFIG") || isSet(environment, "LOCKSTEP_STORAGE_URI");
  const { LOCKSTEP_MODEL_NAME: name = "" } = environment;
  return {
    ...bodyLimit(environment),
    ...otherPorts(environment),
    ...environment,
    ...(!isTold && { LOCKSTEP_STORAGE_URI: MODEL_FOLDER, LOCKSTEP_MODEL_NAME: name === "" ? MODEL_NAME : name }),
    ...(isSet(environment, "SAGEMAKER_BIND_TO_PORT") && { LOCKSTEP_HTTP_PORT: String(boundPort(environment)) }),
  };
}

function isSet(environment: Environment, name: string): boolean {
  return (environment[name] ?? "") !== "";
}

/** The port that requests come to; undefined if SageMaker does not say one. */
function boundPort(environment: Environment): number | undefined {
  if (!isSet(environment, "SAGEMAKER_BIND_TO_PORT")) return undefined;
  const port = Number(environment["SAGEMAKER_BIND_TO_PORT"]);
  if (isPort(port)) return port;
  throw new EnvironmentError("SAGEMAKER_BIND_TO_PORT: expected a port from 1 to 65535");
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}

/** Containers of a pipeline share their ports: the others must be in the range, or out of the way. */
function otherPorts(environment: Environment): Environment {
  const bound = boundPort(environment);
  const [first, last] = safeRange(environment);
  if (first === undefined || last === undefined) {
    return {
      ...(bound === ADMIN_PORT && { LOCKSTEP_ADMIN_PORT: "0" }),
      ...(bound === GRPC_PORT && { LOCKSTEP_GRPC_PORT: "0" }),
    };
  }
  const free = [first, first + 1, first + 2].filter((port) => port <= last && port !== bound);
  const [admin, grpc] = free;
  return { LOCKSTEP_ADMIN_PORT: String(admin ?? 0), LOCKSTEP_GRPC_PORT: String(grpc ?? 0) };
}

function safeRange(environment: Environment): readonly number[] {
  if (!isSet(environment, "SAGEMAKER_SAFE_PORT_RANGE")) return [];
  const match = /^(\d+)-(\d+)$/.exec(environment["SAGEMAKER_SAFE_PORT_RANGE"] ?? "");
  const range = [Number(match?.[1]), Number(match?.[2])];
  if (range.every(isPort)) return range;
  throw new EnvironmentError("SAGEMAKER_SAFE_PORT_RANGE: expected two ports, such as 25000-26999");
}

/** Batch transform says how large its requests may be. */
function bodyLimit(environment: Environment): Environment {
  const mebibytes = Number(environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"] ?? 0);
  return mebibytes > DEFAULT_BODY_MIB ? { LOCKSTEP_MAX_BODY_BYTES: String(Math.ceil(mebibytes) * MIB) } : {};
}
