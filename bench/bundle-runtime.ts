import { spawnSync } from "node:child_process";
import path from "node:path";

/** Makes dist/ anew, so that what is measured is what the sources say. Throws if it cannot be made. */
export function bundleRuntime(): void {
  const { status } = spawnSync(process.execPath, [path.join(import.meta.dirname, "../build/bundle.ts")], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (status !== 0) throw new Error("build/bundle.ts failed");
}
