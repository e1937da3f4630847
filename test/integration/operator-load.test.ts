import { createPublicKey, createPrivateKey } from "node:crypto";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../common/logger.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { createLoad } from "../../operator/load/load.ts";
import { loadNowMs } from "../../operator/load/load-clock.ts";
import { SCALE_METRICS } from "../../operator/load/scale-metric-table.ts";
import { newPrivateKeyPem } from "../../operator/replicas/command-signer.ts";
import { inferenceService, replica as replicaPod } from "../unit/operator/fixtures.ts";
import { manifest, openSandbox, type Sandbox } from "./operator-under-test.ts";
import { EXAMPLES, eventually, infer, inferBody, startReplicaProcess, temporaryFolder } from "./runtime-under-test.ts";

interface AutoscalerObject extends KubeObject {
  readonly spec: { readonly metrics: readonly unknown[] };
}

test("the operator learns the load of a replica that tells it to nobody else", async () => {
  const privateKeyPem = newPrivateKeyPem();
  const keyFile = path.join(await temporaryFolder(), "keys.pem");
  await writeFile(keyFile, createPublicKey(createPrivateKey(privateKeyPem)).export({ type: "spki", format: "pem" }));
  const replica = await startReplicaProcess({
    LOCKSTEP_STORAGE_URI: `file://${EXAMPLES}/models/iris`,
    LOCKSTEP_OPERATOR_KEY: keyFile,
  });
  const port = Number(await replica.process.waitFor(/"adminPort":(\d+)/));
  const { pod } = replicaPod("digits-1", { pod: { podIP: "127.0.0.1" } });
  const world = { inferenceServices: () => [inferenceService()], podsOf: () => [pod] };
  const rounds: number[] = [];
  const follow = (key: string) => {
    const load = createLoad({
      world,
      isNeeded: () => true,
      intervalMs: 200,
      collected: ({ durationMs }) => void rounds.push(durationMs),
      port,
      privateKeyPem: () => Promise.resolve(key),
      logger: createLogger({ name: "operator", level: "silent" }),
    });
    load.start();
    onTestFinished(() => load.stop());
    return load;
  };
  const [load, stranger] = [follow(privateKeyPem), follow(newPrivateKeyPem())];
  await eventually(
    async () => ((await fetch(`${replica.url}/v2/health/ready`)).status === 200 ? true : undefined),
    () => `ready, got ${replica.process.output}`,
  );
  const row = inferBody("input", "FP32", [5.1, 3.5, 1.4, 0.2], [1, 4]);
  const valueOf = (metric: string): number | undefined => {
    const [history] = load.loadOf("blue/digits");
    return history && SCALE_METRICS[metric]?.valueOf(history, loadNowMs())?.value;
  };
  await eventually(
    async () => {
      expect((await infer(replica.url, "iris", row)).status).toBe(200);
      const values = Object.keys(SCALE_METRICS).map(valueOf);
      return values.every((value) => value !== undefined && value > 0) ? true : undefined;
    },
    () => `load of ${JSON.stringify(load.loadOf("blue/digits"))}`,
  );
  expect(load.counts()).toEqual({ asked: 1, silent: 0 });
  expect(rounds.length).toBeGreaterThan(0);
  expect([stranger.counts(), stranger.loadOf("blue/digits")]).toEqual([
    { asked: 1, silent: 1 },
    [{ podUid: "uid-of-digits-1", podName: "digits-1", samples: [] }],
  ]);
});

describe("an autoscaler", () => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await openSandbox("load");
  });
  afterEach(() => sandbox.close());

  const WITH_METRICS_API = { environment: { LOCKSTEP_METRICS_API: "true", LOCKSTEP_METRICS_API_PORT: "0" } };
  const autoscaler = (name: string): Promise<AutoscalerObject | undefined> =>
    sandbox.read<AutoscalerObject>(RESOURCES.horizontalPodAutoscalers, `${name}-predictor`);

  test("looks at requests in flight by default, as the API server takes it", async () => {
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", { maxReplicas: 3 }));
    await sandbox.operator(WITH_METRICS_API);
    const made = await eventually(
      () => autoscaler("digits"),
      () => "an autoscaler",
    );
    expect(made.spec.metrics).toEqual([
      {
        type: "Pods",
        pods: {
          metric: { name: "lockstep_concurrency" },
          target: { type: "AverageValue", averageValue: expect.any(String) },
        },
      },
    ]);
  });

  test("that could not work is not made, and the status says why", async () => {
    const scaled = { maxReplicas: 3, scaleMetric: "concurrency" };
    await sandbox.create(RESOURCES.inferenceServices, manifest("digits", scaled));
    await sandbox.create(RESOURCES.inferenceServices, manifest("topic", { maxReplicas: 3 }));
    const operator = await sandbox.operator(WITH_METRICS_API);
    await eventually(
      () => autoscaler("digits"),
      () => "an autoscaler",
    );
    await operator.stop();

    await sandbox.operator({ environment: { LOCKSTEP_METRICS_API: "false" } });
    const degraded = await eventually(
      async () => {
        const isvc = await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, "digits");
        return isvc?.status?.conditions?.find(({ type, status }) => type === "Degraded" && status === "True");
      },
      () => "condition Degraded",
    );
    expect(degraded).toMatchObject({
      reason: "AutoscalingImpaired",
      message: expect.stringMatching(/^scaleMetric concurrency is measured by the operator/),
    });
    await eventually(
      async () => ((await autoscaler("digits")) === undefined ? true : undefined),
      () => "no autoscaler",
    );
    // Who asked for nothing in particular gets what there is.
    const fallback = await eventually(
      async () => {
        const found = await autoscaler("topic");
        return JSON.stringify(found?.spec.metrics).includes("cpu") ? found : undefined;
      },
      () => "an autoscaler by CPU",
    );
    expect(fallback.spec.metrics).toEqual([
      { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
    ]);
  });
});
