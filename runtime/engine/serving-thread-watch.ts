import { leaveLastWords } from "../last-words.ts";
import { endProcessFromThread } from "./end-process-from-thread.ts";
import { Heartbeat } from "./heartbeat.ts";
import type { WatchRequest } from "./onnx-messages.ts";
import { LOOKS, StuckDetector } from "./stuck-detector.ts";

/**
 * Watches, from another thread, over the runs that are made on the thread that serves requests. One that does not end
 * holds up everything there, the signal to stop included: so this thread says why, and ends the process. Does not keep
 * its own thread alive.
 */
export function watchServingThread({ id, memory, stuckAfterMs, lastWordsFile }: WatchRequest): void {
  const heartbeat = new Heartbeat(memory);
  const detector = new StuckDetector();
  const look = (): void => {
    if (detector.look(heartbeat.running())) void endBecauseStuck({ id, stuckAfterMs, lastWordsFile });
  };
  setInterval(look, stuckAfterMs / LOOKS).unref();
}

async function endBecauseStuck({ id, stuckAfterMs, lastWordsFile }: Omit<WatchRequest, "memory">): Promise<never> {
  const run = id === undefined ? "a run" : `a run of model "${id.name}"`;
  const message = `${run} on the thread that serves requests has not ended after ${stuckAfterMs / 1000} s`;
  leaveLastWords(lastWordsFile, { reason: "InternalError", message: `${message}; the replica ends, to start anew` });
  try {
    // A logger of its own, because the process' writes from the thread that is stuck. Loaded late: it is hardly ever needed.
    const { createLogger } = await import("../../common/logger.ts");
    createLogger({ name: "runtime", level: "info" }).fatal(
      { model: id?.name, version: id?.version, runningMs: stuckAfterMs },
      "a run does not end",
    );
  } finally {
    endProcessFromThread();
  }
}
