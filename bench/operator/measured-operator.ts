import { readFileSync } from "node:fs";
import path from "node:path";
import { OPERATOR_METRICS } from "../../operator/metrics.ts";
import { TestProcess } from "../../test/fixtures/test-process.ts";
import { freePorts } from "../../test/programs/free-ports.ts";
import { usageOfTree } from "../process-tree.ts";
import { histogramQuantile, parseMetrics, type MetricSample } from "../prometheus-text.ts";
import { imageStart } from "./image-start.ts";
import { until } from "./until.ts";

const DOCKERFILE = path.join(import.meta.dirname, "../../Dockerfile");

/** What an operator has done, and has used for it. */
export interface Costs {
  readonly reconciles: number;
  readonly reads: number;
  readonly writes: number;
  readonly watches: number;
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly reconcileP99Ms: number;
}

/** An operator in a process of its own, as its image runs it. */
export class MeasuredOperator {
  readonly #process: TestProcess;
  readonly #port: number;

  private constructor(child: TestProcess, port: number) {
    this.#process = child;
    this.#port = port;
  }

  static async start(kubeconfig: string, namespace: string): Promise<MeasuredOperator> {
    const [port = 0] = await freePorts(1);
    const { options, variables } = imageStart(readFileSync(DOCKERFILE, "utf8"), "operator");
    const child = new TestProcess([...options, "dist/operator/operator.mjs"], {
      ...variables,
      KUBECONFIG: kubeconfig,
      LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
      LOCKSTEP_LEADER_ELECTION: "false",
      LOCKSTEP_WATCH_NAMESPACES: namespace,
      POD_NAMESPACE: namespace,
      LOCKSTEP_HTTP_PORT: String(port),
      LOCKSTEP_CONSOLE_PORT: "-1",
      LOCKSTEP_LOG_LEVEL: "warn",
    });
    return new MeasuredOperator(child, port);
  }

  async costs(since?: Costs): Promise<Costs> {
    const { cpuSeconds, residentBytes } = usageOfTree(this.#process.child.pid ?? 0);
    const samples = await this.#metrics();
    const { apiRequests, reconciles, reconcileDuration } = OPERATOR_METRICS;
    const sumOf = (name: string, isMeant: (sample: MetricSample) => boolean): number =>
      samples.filter((sample) => sample.name === name && isMeant(sample)).reduce((sum, { value }) => sum + value, 0);
    const requests = (...verbs: string[]): number =>
      sumOf(apiRequests.name, ({ labels }) => verbs.includes(labels["verb"] ?? ""));
    return {
      reconciles: sumOf(reconciles.name, () => true) - (since?.reconciles ?? 0),
      reads: requests("GET") - (since?.reads ?? 0),
      writes: requests("POST", "PUT", "PATCH", "DELETE") - (since?.writes ?? 0),
      watches: requests("WATCH") - (since?.watches ?? 0),
      cpuSeconds: cpuSeconds - (since?.cpuSeconds ?? 0),
      residentBytes,
      reconcileP99Ms: histogramQuantile(samples, reconcileDuration.name, 0.99) * 1000,
    };
  }

  /** Waits until it has made at least so many reconciles, and none waits. */
  async untilIdleAfter(reconciles: number): Promise<void> {
    await until(async () => {
      const samples = await this.#metrics().catch(() => []);
      const depth = samples.find(({ name }) => name === OPERATOR_METRICS.queueDepth.name)?.value;
      const made = samples.filter(({ name }) => name === OPERATOR_METRICS.reconciles.name);
      return depth === 0 && made.reduce((sum, { value }) => sum + value, 0) >= reconciles;
    }, "an operator that has looked at all");
  }

  async kill(): Promise<void> {
    await this.#process.end("SIGKILL");
  }

  async #metrics(): Promise<MetricSample[]> {
    if (!this.#process.isRunning) throw new Error(`the operator ended:\n${this.#process.output}`);
    const response = await fetch(`http://127.0.0.1:${this.#port}/metrics`);
    return parseMetrics(await response.text());
  }
}
