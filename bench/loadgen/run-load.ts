import path from "node:path";
import { runPinned } from "../pinned-process.ts";
import type { LoadJob, LoadResult } from "./job.ts";

const MAIN = path.join(import.meta.dirname, "main.ts");

/** Runs one load in a process of its own, on the core that the servers leave free. Throws if it cannot connect. */
export async function runLoad(job: LoadJob): Promise<LoadResult> {
  return await runPinned<LoadResult>("generator", MAIN, job);
}
