import { execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { freePorts } from "../programs/free-ports.ts";
import { EXAMPLES, eventually, infer, inferBody, startReplicaProcess, temporaryFolder } from "./runtime-under-test.ts";

const run = promisify(execFile);
/** What it may complain of: Triton's names, and a gauge whose quantiles are those since the last scrape. */
const KNOWN = /^(|nv_inference_.*|lockstep_event_loop_delay_seconds .*"quantile" label)$/;
/** Prometheus' own tool, where there is one. */
const hasPromtool = spawnSync("promtool", ["--version"]).status === 0;
const hasPrometheus = spawnSync("prometheus", ["--version"]).status === 0;

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

test.skipIf(!hasPrometheus)("Prometheus reads a replica's OpenMetrics, and keeps the traces in it", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const replica = await startReplicaProcess({
    LOCKSTEP_STORAGE_URI: `file://${path.join(EXAMPLES, "models/iris")}`,
    LOCKSTEP_TRITON_METRICS: "on",
    // Nothing listens there: the trace is recorded all the same.
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
  });
  await eventually(
    async () => ((await fetch(`${replica.url}/v2/health/ready`)).status === 200 ? true : undefined),
    () => "a ready replica",
  );
  const answer = await fetch(`${replica.url}/v2/models/iris/infer`, {
    method: "POST",
    headers: { "content-type": "application/json", traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    body: inferBody("input", "FP32", [5.1, 3.5, 1.4, 0.2], [1, 4]),
  });
  expect(answer.status).toBe(200);
  const api = await startPrometheus(new URL(replica.url).host);
  const value = async (query: string): Promise<string | undefined> => {
    const result = (await api(`query?query=${encodeURIComponent(query)}`)) as readonly { value: [number, string] }[];
    return result[0]?.value[1];
  };
  await eventually(
    async () => ((await value("up")) === "1" ? true : undefined),
    () => "a page that Prometheus can read",
  );
  expect(await value('lockstep_requests_total{model="iris",version="1",protocol="v2",code="OK"}')).toBe("1");
  expect(await value('nv_inference_request_success{model="iris",version="1"}')).toBe("1");
  const now = Date.now() / 1000;
  const exemplars = await eventually(
    async () => {
      const query = `query=lockstep_request_duration_seconds_bucket&start=${now - 600}&end=${now + 600}`;
      const found = JSON.stringify(await api(`query_exemplars?${query}`));
      return found === "[]" ? undefined : found;
    },
    () => "an exemplar",
  );
  expect(exemplars).toContain(`"trace_id":"${traceId}"`);
});

/** Scrapes a replica every second; asks the API for a path, and gives its data. Ends with the test. */
async function startPrometheus(target: string): Promise<(query: string) => Promise<unknown>> {
  const folder = await temporaryFolder();
  const config = {
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [{ job_name: "replica", static_configs: [{ targets: [target] }] }],
  };
  // JSON is YAML.
  await writeFile(path.join(folder, "prometheus.yml"), JSON.stringify(config));
  const [port] = await freePorts(1);
  const address = `127.0.0.1:${port}`;
  const child = spawn(
    "prometheus",
    [
      `--config.file=${folder}/prometheus.yml`,
      `--storage.tsdb.path=${folder}/data`,
      `--web.listen-address=${address}`,
      "--enable-feature=exemplar-storage",
    ],
    { stdio: "ignore" },
  );
  const exited = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGKILL");
    await exited;
  });
  await eventually(
    async () =>
      await fetch(`http://${address}/-/ready`).then(
        ({ status }) => (status === 200 ? true : undefined),
        () => undefined,
      ),
    () => "Prometheus to be ready",
  );
  return async (query) => {
    const answer = (await (await fetch(`http://${address}/api/v1/${query}`)).json()) as { data: unknown };
    const { data } = answer;
    return typeof data === "object" && data !== null && "result" in data ? data.result : data;
  };
}
