import { execFile, spawnSync } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { EXAMPLES, eventually, infer, inferBody, startReplicaProcess } from "./runtime-under-test.ts";

const run = promisify(execFile);
/** What it may complain of: Triton's names, and a gauge whose quantiles are those since the last scrape. */
const KNOWN = /^(|nv_inference_.*|lockstep_event_loop_delay_seconds .*"quantile" label)$/;
/** Prometheus' own tool, where there is one. */
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;

test.skipIf(!hasPromtool)("Prometheus' own linter finds nothing new in what a replica tells", async () => {
  const replica = await startReplicaProcess({
    LOCKSTEP_STORAGE_URI: `file://${path.join(EXAMPLES, "models/iris")}`,
    LOCKSTEP_TRITON_METRICS: "on",
  });
  await eventually(
    async () => ((await fetch(`${replica.url}/v2/health/ready`)).status === 200 ? true : undefined),
    () => "a ready replica",
  );
  for (const body of [inferBody("input", "FP32", [5.1, 3.5, 1.4, 0.2], [1, 4]), "{"])
    await (await infer(replica.url, "iris", body)).text();
  const page = await (await fetch(`${replica.url}/metrics`)).text();
  const lint = run("promtool", ["check", "metrics"]);
  lint.child.stdin?.end(page);
  const { problems } = await lint.then(
    ({ stdout, stderr }) => ({ problems: stdout + stderr }),
    (error: { readonly stdout: string; readonly stderr: string }) => ({ problems: error.stdout + error.stderr }),
  );
  expect(problems.split("\n").filter((line) => !KNOWN.test(line))).toEqual([]);
  // It has read them all the same.
  expect(page).toMatch(/^nv_inference_request_success\{model="iris",version="1"\} 1$/m);
});
