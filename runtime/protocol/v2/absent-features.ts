import { ServingError } from "../../errors.ts";

/**
 * Features that clients ask about although the server does not advertise them: what there is of them, and the errors for
 * attempts to use them.
 */

/** Settings of the trace extension: requests are not traced. */
export const TRACE_SETTINGS = {
  trace_level: ["OFF"],
  trace_rate: "1000",
  trace_count: "-1",
  log_frequency: "0",
  trace_file: "",
  trace_mode: "triton",
} as const;

/** The error for changes of trace settings. */
export function noTracing(): ServingError {
  return new ServingError("Unimplemented", "trace: this server cannot trace requests to files");
}

/** The error for the logging extension. */
export function noLogSettings(): ServingError {
  return new ServingError(
    "Unimplemented",
    "logging: the level of the log is set by LOCKSTEP_LOG_LEVEL when the server starts, expected no change by a request",
  );
}

/** The error for whoever asks of a region of shared memory by its name. */
export function noSuchRegion(): ServingError {
  return new ServingError("NotFound", "region: expected a registered one, got another: there are none");
}

/** The error for registering shared memory. */
export function noSharedMemory(): ServingError {
  return new ServingError(
    "Unimplemented",
    "shared memory: this server does not have it, because clients are on other machines: send data in requests",
  );
}
