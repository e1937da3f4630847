import { EnvironmentError } from "../common/environment.ts";
import { createLogger, type Logger } from "../common/logger.ts";
import { readOperatorConfig } from "./config.ts";
import { loadConnection } from "./kube/connection.ts";
import { startOperator } from "./operator.ts";

/** The operator's process: configuration from the environment, one operator, an orderly end on SIGTERM. */
async function main(): Promise<void> {
  const config = readOperatorConfig(process.env);
  const logger = createLogger({ name: "operator", level: config.LOCKSTEP_LOG_LEVEL });
  process.on("unhandledRejection", (error) => die(logger, error));
  process.on("uncaughtException", (error) => die(logger, error));
  if (config.LOCKSTEP_LEADER_ELECTION && config.POD_NAMESPACE === "") {
    throw new EnvironmentError("POD_NAMESPACE is not set: leader election needs the namespace of its Lease");
  }
  const operator = await startOperator({
    config,
    connection: loadConnection(),
    logger,
    onLost: () => {
      logger.error("another operator may lead now: this one ends");
      process.exit(1);
    },
  });
  logger.info({ port: operator.port, runtimeImage: config.LOCKSTEP_RUNTIME_IMAGE }, "operator started");
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      logger.info({ signal }, "stopping");
      operator.stop().then(
        () => process.exit(0),
        (error: unknown) => die(logger, error),
      );
    });
  }
}

function die(logger: Logger, error: unknown): never {
  logger.fatal({ err: error }, "the operator failed");
  process.exit(1);
}

main().catch((error: unknown) => {
  // The logger may be what could not be made.
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
