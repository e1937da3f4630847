import { onStopSignal } from "./stop-signals.ts";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { TERMINATION_LOG } from "../common/admin-api.ts";
import { EnvironmentError } from "../common/environment.ts";
import { createLogger, type Logger } from "../common/logger.ts";
import { ConfigError } from "../common/runtime-config.ts";
import { readRuntimeProcessConfig, type RuntimeProcessConfig } from "./config.ts";
import { endProcessNow } from "./end-process.ts";
import { leaveLastWords } from "./last-words.ts";
import { startReplica, type Replica } from "./replica.ts";
import { sagemakerEnvironment } from "./sagemaker-container.ts";
import { configOf } from "./standalone-config.ts";

/** The process of a replica: configuration from the environment, end by signals. This file is an entry: nobody imports it. */

/** Beyond what draining may take. */
const SHUTDOWN_GRACE_MS = 10_000;

let logger: Logger = createLogger({ name: "runtime", level: "info" });
let replica: Replica | undefined;
let longestStopMs = SHUTDOWN_GRACE_MS;
let isEnding = false;

process.on("uncaughtException", (error) => fail(error));
process.on("unhandledRejection", (reason) => fail(reason));
onStopSignal(stop);

try {
  await run(readRuntimeProcessConfig(sagemakerEnvironment(process.argv.slice(2), process.env)));
} catch (error) {
  fail(error);
}

async function run(settings: RuntimeProcessConfig): Promise<void> {
  logger = createLogger({ name: "runtime", level: settings.LOCKSTEP_LOG_LEVEL });
  const config = configOf({
    configText: settings.LOCKSTEP_CONFIG === "" ? undefined : readConfig(settings.LOCKSTEP_CONFIG),
    storageUri: settings.LOCKSTEP_STORAGE_URI,
    modelName: settings.LOCKSTEP_MODEL_NAME,
  });
  logger = logger.child({ service: `${config.service.namespace}/${config.service.name}` });
  longestStopMs = settings.LOCKSTEP_DRAIN_DELAY_MS + config.requestTimeoutMs + SHUTDOWN_GRACE_MS;
  replica = await startReplica({
    process: settings,
    config,
    logger,
    onStuck: (message) => {
      leaveLastWords(TERMINATION_LOG, {
        reason: "InternalError",
        message: `${message}; the replica ends, to start anew`,
      });
      end(1);
    },
  });
}

function stop(signal: NodeJS.Signals): void {
  logger.info({ signal }, isEnding ? "told again: stopping at once" : "told to stop");
  if (isEnding) endProcessNow(128 + constants.signals[signal]);
  end(0);
}

/** Drains and ends; without draining if there is nothing to drain yet. */
function end(exitCode: number): void {
  if (isEnding) return;
  isEnding = true;
  if (replica === undefined) endProcessNow(exitCode);
  setTimeout(() => {
    logger.error({ longestStopMs }, "stopping takes too long");
    endProcessNow(1);
  }, longestStopMs);
  replica.stop().then(
    () => endProcessNow(exitCode),
    (error: unknown) => {
      logger.error({ err: error }, "stopping failed");
      endProcessNow(1);
    },
  );
}

function readConfig(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new ConfigError("the file that LOCKSTEP_CONFIG names cannot be read", { cause });
  }
}

/** Something that no one can handle: says why and ends the process, with what is in flight if that is soon done. */
function fail(error: unknown): void {
  logger.fatal({ err: error }, "the replica cannot go on");
  const isConfig = error instanceof ConfigError || error instanceof EnvironmentError;
  leaveLastWords(
    TERMINATION_LOG,
    isConfig
      ? { reason: "ConfigInvalid", message: error.message }
      : { reason: "InternalError", message: messageOf(error) },
  );
  longestStopMs = SHUTDOWN_GRACE_MS;
  end(1);
}

/** Errors of the system that an operator can do something about; others only say where to look. */
function messageOf(error: unknown): string {
  if (error instanceof Error && "code" in error && error.code === "EADDRINUSE")
    return "the replica's port is taken by another process";
  return "the replica crashed; its log has the details";
}
