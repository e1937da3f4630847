import { availableParallelism } from "node:os";
import {
  choice,
  integer,
  list,
  readEnvironment,
  text,
  type Environment,
  type ValuesOf,
} from "../common/environment.ts";
import { LOG_LEVELS } from "../common/logger.ts";
import { ADMIN_PORT, HTTP_PORT } from "../common/ports.ts";

/** The configuration of a replica's process: the one list of its variables. What it serves is in common/runtime-config.ts. */
export const RUNTIME_VARIABLES = {
  LOCKSTEP_CONFIG: text(
    "",
    "File with the replica's configuration, as the operator writes it. Without it, LOCKSTEP_STORAGE_URI says what to serve.",
  ),
  LOCKSTEP_STORAGE_URI: text("", "Where the model is, for a container that runs alone."),
  LOCKSTEP_MODEL_NAME: text("", "Name of that model; default: the last part of LOCKSTEP_STORAGE_URI."),
  LOCKSTEP_HOST: text("::", "Address to listen on; :: is every one, of IPv4 too."),
  LOCKSTEP_HTTP_PORT: integer(HTTP_PORT, "Port for inference over HTTP, health and metrics; 0 takes a free one.", {
    min: 0,
    max: 65_535,
  }),
  LOCKSTEP_ADMIN_PORT: integer(
    ADMIN_PORT,
    "Port on which the operator asks for the replica's state; 0 takes a free one.",
    { min: 0, max: 65_535 },
  ),
  LOCKSTEP_MODEL_DIR: text("/var/lib/lockstep/models", "Folder for fetched models."),
  LOCKSTEP_PVC_ROOT: text("/mnt/pvc", "Folder in which the claims of pvc:// are mounted, each under its name."),
  LOCKSTEP_INTRA_OP_THREADS: integer(
    0,
    "Threads that one run of a model uses; 0 means as many as the CPU limit allows.",
    { min: 0, max: 256 },
  ),
  LOCKSTEP_MAX_BODY_BYTES: integer(64 * 1024 * 1024, "The largest request body, in bytes.", {
    min: 1_024,
    max: 2 ** 31 - 1,
  }),
  LOCKSTEP_MAX_IN_FLIGHT: integer(
    1_024,
    "Inference requests in flight at a time; those beyond are answered with status 429.",
    {
      min: 1,
      max: 1_000_000,
    },
  ),
  LOCKSTEP_MAX_MODEL_BYTES: integer(64 * 1024 ** 3, "The largest version, all its files together, in bytes.", {
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }),
  LOCKSTEP_DRAIN_DELAY_MS: integer(
    0,
    "How long, in ms, requests are still accepted after SIGTERM, so that load balancers can take the replica out.",
    {
      min: 0,
      max: 300_000,
    },
  ),
  LOCKSTEP_STORAGE_DENY: list(
    "127.0.0.0/8,::1/128,169.254.0.0/16,fe80::/10,fd00:ec2::254/128,0.0.0.0/8,::/128",
    "Networks that http(s):// and storage.endpoint may not lead to. The default keeps models from being fetched from the replica itself and from a cloud's metadata service.",
  ),
  LOCKSTEP_LOG_LEVEL: choice("info", LOG_LEVELS, "The least severe messages that are logged."),
} as const;

export type RuntimeProcessConfig = ValuesOf<typeof RUNTIME_VARIABLES>;

/** Reads the configuration of a replica's process. Throws EnvironmentError. */
export function readRuntimeProcessConfig(environment: Environment): RuntimeProcessConfig {
  return readEnvironment(RUNTIME_VARIABLES, environment);
}

/** The threads that a run may use. `availableParallelism` heeds the cgroup's CPU limit where libuv does. */
export function intraOpThreads(config: Pick<RuntimeProcessConfig, "LOCKSTEP_INTRA_OP_THREADS">): number {
  return config.LOCKSTEP_INTRA_OP_THREADS || availableParallelism();
}
