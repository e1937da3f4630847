import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "./control-plane-programs.ts";
import { runProgram } from "./run-program.ts";

const PACKAGE = path.join(import.meta.dirname, "azurite");
const FILES = ["package.json", "package-lock.json"];
const PROGRESS_EVERY_MS = 15_000;
const INSTALL_WITHIN_MS = 15 * 60_000;
/** Written last: a folder without it is not complete. */
const MARKER = "lockstep-complete";

/**
 * Finds Azurite's program for blobs, a script of node. It has more packages than this project, so it is installed into the
 * user's cache, once, and not with the project. Throws an Error with what npm says if it cannot be installed.
 */
export async function provideAzurite(): Promise<string> {
  const lock = readFileSync(path.join(PACKAGE, "package-lock.json"));
  const digest = createHash("sha256").update(lock).digest("hex").slice(0, 12);
  const folder = path.join(cacheDirectory(), `azurite-${digest}`);
  if (!existsSync(path.join(folder, MARKER))) await install(folder);
  return path.join(folder, "node_modules/azurite/dist/src/blob/main.js");
}

async function install(target: string): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  // Several may install at a time; each has a folder of its own, and the first one wins.
  const folder = await mkdtemp(`${target}-`);
  const startedAt = Date.now();
  console.error("Azurite was not found: installing it, once; it takes one to three minutes");
  const progress = setInterval(() => {
    console.error(`still installing Azurite, ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }, PROGRESS_EVERY_MS);
  try {
    for (const file of FILES) await copyFile(path.join(PACKAGE, file), path.join(folder, file));
    const npm = ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"];
    const { status, stdout, stderr } = await runProgram(["npm", ...npm], { timeoutMs: INSTALL_WITHIN_MS });
    if (status !== 0) throw new Error(`Azurite cannot be installed:\n${stdout}${stderr}`);
    await writeFile(path.join(folder, MARKER), "");
    await rename(folder, target).catch((error: unknown) => {
      if (!existsSync(path.join(target, MARKER))) throw error;
    });
  } finally {
    clearInterval(progress);
    await rm(folder, { recursive: true, force: true });
  }
}
