import { setTimeout as delay } from "node:timers/promises";
import type { InferenceService } from "../common/inferenceservice.gen.ts";
import { rollbackPatch } from "../common/rollback-patch.ts";
import { CliError } from "./cli-error.ts";
import { interruptible } from "./interruption.ts";
import { kubectl, type ClusterOptions } from "./kubectl.ts";
import { rollbackVersion } from "./rollback-plan.ts";

export interface RollbackOptions extends ClusterOptions {
  /** Default: the version that was active before. */
  readonly to?: number;
  readonly wait: boolean;
  /** Seconds. */
  readonly timeout: number;
}

const POLL_MS = 500;
const RESOURCE = "inferenceservices.serving.lockstep.dev";

/** Puts an InferenceService back to another version, and waits until all replicas serve it. Throws CliError. */
export async function rollback(name: string, options: RollbackOptions): Promise<void> {
  await interruptible(async (signal) => {
    const read = async (): Promise<InferenceService> =>
      JSON.parse(await kubectl(["get", RESOURCE, name, "--output=json"], options, signal)) as InferenceService;
    const isvc = await read();
    const version = rollbackVersion(isvc, options.to);
    const patch = JSON.stringify(rollbackPatch(isvc, version));
    await kubectl(["patch", RESOURCE, name, "--type=merge", `--patch=${patch}`], options, signal);
    process.stdout.write(`${name}: from version ${isvc.status?.activeVersion ?? "none"} to version ${version}\n`);
    if (!options.wait) return;
    const untilMs = performance.now() + options.timeout * 1000;
    let shown = "";
    for (let status = isvc.status; ; { status } = await read()) {
      if (status?.activeVersion === version) break;
      const { phase = "Preparing", prepared = 0, total = 0 } = status?.rollout ?? {};
      const line = `${phase}: ${prepared} of ${total} replicas have version ${version} ready`;
      if (line !== shown) process.stderr.write(`${line}\n`);
      shown = line;
      if (performance.now() > untilMs)
        throw new CliError(
          `version ${version} is not served after ${options.timeout} s; see kubectl describe isvc ${name}. ` +
            "It becomes active as soon as all replicas can serve it",
        );
      await delay(POLL_MS, undefined, { signal });
    }
    process.stdout.write(`${name}: all replicas serve version ${version}\n`);
  });
}
