import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { dump, load } from "js-yaml";
import { describe, expect, onTestFinished, test } from "vitest";
import { queryOf } from "../../build/generate/grafana-dashboard.ts";
import { PANELS } from "../../build/monitoring/panels.ts";
import { RULE_GROUPS } from "../../build/monitoring/rules.ts";
import { createOperatorMetrics } from "../../operator/metrics.ts";
import { startOperatorServer } from "../../operator/server.ts";
import { eventually } from "../eventually.ts";
import { runPromtool, startPrometheus, type Prometheus } from "../programs/prometheus.ts";
import { ALERT_CASES, type AlertCase } from "./alert-cases.ts";
import { EXAMPLES, infer, inferBody, startReplicaProcess } from "./runtime-under-test.ts";

const RULES = path.join(EXAMPLES, "monitoring/rules.yaml");
const WITHIN = { withinMs: 45_000, everyMs: 500 };

describe("the rules", () => {
  test("are rules to Prometheus", async () => {
    const { status, stdout, stderr } = await runPromtool("check", "rules", RULES);
    expect(stdout + stderr).toContain("SUCCESS");
    expect(status).toBe(0);
  });

  test("have a case that fires and one that does not for each alert", () => {
    const names = RULE_GROUPS.flatMap(({ alerts }) => alerts.map(({ name }) => name));
    const withCases = (isFiring: boolean): Set<string> =>
      new Set(ALERT_CASES.filter(({ firing }) => firing > 0 === isFiring).map(({ alert }) => alert));
    expect(withCases(true)).toEqual(new Set(names));
    expect(withCases(false)).toEqual(new Set(names));
  });

  test.each(ALERT_CASES.map((each) => [`${each.alert} ${each.what}`, each] as const))("%s", async (_words, each) => {
    const folder = await mkdtemp(path.join(tmpdir(), "lockstep-rules-"));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const file = path.join(folder, "test.yaml");
    await writeFile(file, dump(promtoolTest(each)));
    const { status, stdout, stderr } = await runPromtool("test", "rules", file);
    expect(`${stdout}${stderr}`).toContain("SUCCESS");
    expect(status).toBe(0);
  });
});

function promtoolTest({ alert, series, at, firing, by = {} }: AlertCase): object {
  const fired = `ALERTS{alertname="${alert}",alertstate="firing"}`;
  const samples = (expr: string, labels: readonly string[], value: number): object => ({
    expr,
    eval_time: at,
    exp_samples: labels.map((text) => ({ labels: text, value })),
  });
  return {
    rule_files: [RULES],
    evaluation_interval: "1m",
    tests: [
      {
        interval: "1m",
        input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
        promql_expr_test: [
          samples(`count(${fired})`, firing > 0 ? ["{}"] : [], firing),
          ...Object.entries(by).map(([label, values]) =>
            samples(
              `count by (${label}) (${fired})`,
              values.map((value) => `{${label}="${value}"}`),
              1,
            ),
          ),
        ],
      },
    ],
  };
}

/** An operator's own metrics, without an operator. */
async function serveOperatorMetrics(): Promise<number> {
  const metrics = createOperatorMetrics({
    queue: () =>
      ({ depth: 1, oldestAgeMs: 5, failing: 0 }) as ReturnType<Parameters<typeof createOperatorMetrics>[0]["queue"]>,
    isLeader: () => true,
    readiness: () => ["True", "False"],
    watches: () => [["Pod", 100]],
    load: () => ({ asked: 2, silent: 0 }),
    monitoring: () => ({ asked: 2, silent: 0 }),
    monitoredVersions: () => [],
    metricsApiRegistrations: () => [],
    metricsApiCertificateNotAfter: () => new Date(Date.now() + 86_400_000),
    activator: () => ({ held: 0, open: 0 }),
  });
  metrics.observeRequest({ verb: "GET", code: 200 });
  metrics.observer.reconciled({ outcome: "success", key: "default/digits", durationMs: 3 });
  const server = await startOperatorServer({
    port: 0,
    notReady: () => undefined,
    renderMetrics: () => metrics.render(),
  });
  onTestFinished(() => server.close());
  return server.port;
}

/** Asks a model again and again until the test is over. */
function keepAsking(url: string): void {
  const controller = new AbortController();
  const body = inferBody(
    "input",
    "FP32",
    Array.from({ length: 64 }, () => 0),
    [1, 64],
  );
  const asking = (async () => {
    while (!controller.signal.aborted) {
      await infer(url, "digits", body);
      await infer(url, "digits", "{");
    }
  })();
  onTestFinished(async () => {
    controller.abort();
    await asking;
  });
}

/** A job of the example for a Prometheus without its operator. */
function exampleJob(name: string): { readonly name: string; readonly relabelConfigs: readonly object[] } {
  const { scrape_configs: jobs } = load(readFileSync(path.join(EXAMPLES, "monitoring/prometheus.yaml"), "utf8")) as {
    readonly scrape_configs: readonly { readonly job_name: string; readonly relabel_configs: readonly object[] }[];
  };
  const job = jobs.find((each) => each.job_name === name);
  if (job === undefined) throw new Error(`the example has no job ${name}`);
  return { name, relabelConfigs: job.relabel_configs };
}

/** What Prometheus finds out of a pod. */
function podLabels(namespace: string, pod: string, labels: Readonly<Record<string, string>>): Record<string, string> {
  return {
    __meta_kubernetes_namespace: namespace,
    __meta_kubernetes_pod_name: pod,
    __meta_kubernetes_pod_phase: "Running",
    __meta_kubernetes_pod_container_port_name: "http",
    ...labels,
  };
}

async function startScraping(): Promise<Prometheus> {
  const replica = await startReplicaProcess({ LOCKSTEP_STORAGE_URI: `file://${EXAMPLES}/models/digits` });
  const operatorPort = await serveOperatorMetrics();
  const prometheus = await startPrometheus({
    ruleFiles: [RULES],
    jobs: [
      {
        ...exampleJob("lockstep-replicas"),
        targets: [
          {
            address: new URL(replica.url).host,
            labels: podLabels("default", "digits-0", {
              __meta_kubernetes_pod_labelpresent_serving_lockstep_dev_inferenceservice: "true",
              __meta_kubernetes_pod_label_serving_lockstep_dev_inferenceservice: "digits",
            }),
          },
          // Another's pod, which the example leaves out.
          { address: "127.0.0.1:9", labels: podLabels("default", "other", {}) },
        ],
      },
      {
        ...exampleJob("lockstep-operator"),
        targets: [
          {
            address: `127.0.0.1:${operatorPort}`,
            labels: podLabels("lockstep-system", "lockstep-0", {
              __meta_kubernetes_pod_label_app_kubernetes_io_name: "lockstep-operator",
            }),
          },
        ],
      },
    ],
  });
  onTestFinished(() => prometheus[Symbol.asyncDispose]());
  await eventually(
    "a ready replica",
    async () => ((await fetch(`${replica.url}/v2/health/ready`)).ok ? true : undefined),
    WITHIN,
  );
  keepAsking(replica.url);
  return prometheus;
}

/** What a replica under traffic, and an operator that is at work, do not have yet. */
const NEED_MORE: ReadonlySet<string | undefined> = new Set([
  "drift",
  "feedback",
  "payload log",
  "refusals",
  "failures",
  "switches",
]);

/** A query as Grafana sends it while all of each variable is chosen. */
function withVariables(expr: string): string {
  return expr.replaceAll("$__rate_interval", "5s").replaceAll(/\$(namespace|inferenceservice|model|version)\b/g, ".*");
}

test(
  "a Prometheus that scrapes a replica under traffic answers every panel and evaluates every rule",
  { timeout: 120_000 },
  async () => {
    const prometheus = await startScraping();
    const queries = PANELS.flatMap(({ title, needs, targets }) =>
      targets.map(({ legend, ...target }) => ({
        title,
        needs,
        legend,
        query: withVariables(queryOf({ legend, ...target })),
      })),
    );
    expect(queries.filter(({ query }) => query.includes("$"))).toEqual([]);
    const [now, later] = [true, false].map((isNow) => queries.filter(({ needs }) => !NEED_MORE.has(needs) === isNow));
    // Refused queries throw.
    for (const { query } of later ?? []) expect(await prometheus.query(query)).toBeInstanceOf(Array);
    expect(now?.length).toBeGreaterThan(40);
    for (const { title, needs, legend, query } of now ?? []) {
      const found = await eventually(
        `data of panel ${title}: ${query}`,
        async () => {
          const result = await prometheus.query(query);
          return result.some(({ value }) => value[1] !== "NaN" || needs !== undefined) ? result : undefined;
        },
        WITHIN,
      );
      const labels = [...legend.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = ""]) => label);
      expect(Object.keys(found[0]?.metric ?? {}), `${title}: ${legend}`).toEqual(expect.arrayContaining(labels));
    }

    const rules = await eventually(
      "an evaluation of every rule",
      async () => {
        const { groups } = (await prometheus.api("rules")) as {
          readonly groups: readonly {
            readonly rules: readonly { readonly name: string; readonly health: string; readonly lastError?: string }[];
          }[];
        };
        const all = groups.flatMap((group) => group.rules);
        return all.every(({ health }) => health !== "unknown") ? all : undefined;
      },
      WITHIN,
    );
    expect(rules.filter(({ health }) => health !== "ok")).toEqual([]);
    expect(rules).toHaveLength(RULE_GROUPS.flatMap(({ alerts, recordings }) => [...alerts, ...recordings]).length);

    for (const { record } of RULE_GROUPS.flatMap(({ recordings }) => recordings)) {
      const [first] = await eventually(
        `data of ${record}`,
        async () => {
          const result = await prometheus.query(record);
          return result.length > 0 ? result : undefined;
        },
        WITHIN,
      );
      expect(first?.metric).toMatchObject({ namespace: "default", inferenceservice: "digits" });
    }
    // What clients do wrong is none of the replica's failures.
    const [failures] = await prometheus.query("lockstep:request_errors:ratio_rate5m");
    expect(failures?.value[1]).toBe("0");
    const [rejected] = await prometheus.query('sum(lockstep_requests_total{code="InvalidArgument"})');
    expect(Number(rejected?.value[1])).toBeGreaterThan(0);
    const up = await prometheus.query("up");
    expect(Object.fromEntries(up.map(({ metric, value }) => [metric["pod"], value[1]]))).toEqual({
      "digits-0": "1",
      "lockstep-0": "1",
    });
    const labels = await prometheus.query("count by (model, version) (lockstep_model_info)");
    expect(labels.map(({ metric }) => metric)).toEqual([{ model: "digits", version: "2" }]);
  },
);
