import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "./control-plane-programs.ts";

const PROGRESS_EVERY_MS = 30_000;

/** A program for tests that is built of Go modules. */
export interface GoProgram {
  /** What it is, in messages. */
  readonly title: string;
  /** Its package, whose last part is the program's name. */
  readonly module: string;
  readonly version: string;
}

/**
 * The program's path: that of an earlier build in the user's cache, or of one by `go install`, which takes minutes and says
 * on standard error that it does. Throws an Error that says what to do when it cannot be built.
 */
export async function provideGoProgram({ title, module, version }: GoProgram): Promise<string> {
  const cache = path.join(cacheDirectory(), "bin");
  const name = path.basename(module);
  const program = path.join(cache, `${name}-${version}`);
  if (existsSync(program)) return program;
  await mkdir(cache, { recursive: true });
  // Several may build at a time; each has a folder of its own, and the last one wins.
  const building = await mkdtemp(path.join(cache, "building-"));
  const startedAt = Date.now();
  console.error(`building ${title} ${module}@${version}; this takes some minutes, once`);
  const ticker = setInterval(() => {
    console.error(`still building ${title} (${Math.round((Date.now() - startedAt) / 1000)} s)`);
  }, PROGRESS_EVERY_MS);
  try {
    const child = spawn("go", ["install", "-ldflags", "-s -w", `${module}@${version}`], {
      cwd: building,
      env: { ...process.env, GOBIN: building, CGO_ENABLED: "0" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const [status] = (await once(child, "exit")) as [number | null];
    if (status !== 0) throw new Error(`go install ended with status ${status}; see above`);
    await rename(path.join(building, name), program);
    return program;
  } catch (cause) {
    throw new Error(`building ${title} failed: is Go (https://go.dev) installed?`, { cause });
  } finally {
    clearInterval(ticker);
    await rm(building, { recursive: true, force: true });
  }
}
