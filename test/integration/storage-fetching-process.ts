/**
 * A process that fetches one version and prints what it got, for the tests that kill it. DIE_AT names where it kills
 * itself: a step of the fetch, `STEP:N` its Nth time, or `bytes:N`.
 */
import { createLogger } from "../../common/logger.ts";
import { openRepository } from "./storage-support.ts";

const { ENDPOINT: endpoint = "", MODEL_DIR: modelDir = "", DIE_AT: dieAt = "" } = process.env;
const { CACHE_DIR: cacheDir = "", CACHE_STALE_MS: staleMs } = process.env;
const seen = new Map<string, number>();

function reached(step: string): void {
  const times = (seen.get(step) ?? 0) + 1;
  seen.set(step, times);
  if (dieAt === step || dieAt === `${step}:${times}`) process.kill(process.pid, "SIGKILL");
}

await using repository = openRepository("s3://models/digits", {
  storage: { endpoint },
  modelDir,
  cacheDir,
  logger: createLogger({
    name: "fetching",
    level: process.env["LOGS"] === "yes" ? "info" : "silent",
    destination: process.stderr,
  }),
  limits: {
    // Ten of these on a busy machine take their time.
    retry: { deadlineMs: 60_000 },
    download: { firstDelayMs: 5, checkpointBytes: 256 * 1024, progressIntervalMs: 0, openTimeoutMs: 60_000 },
    ...(staleMs !== undefined && { cache: { staleMs: Number(staleMs) } }),
  },
  onStep: reached,
});
const dieAtBytes = dieAt.startsWith("bytes:") ? Number(dieAt.slice(6)) : Infinity;
let reports = 0;
const report = ({ bytesDone }: { bytesDone: number }): void => {
  if (bytesDone > 0) reports += 1;
  if (bytesDone >= dieAtBytes) process.kill(process.pid, "SIGKILL");
};
const fetched = await repository.fetchVersion(7, report, new AbortController().signal);
process.stdout.write(JSON.stringify({ ...fetched, reports }));
