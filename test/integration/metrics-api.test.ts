import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReplicaLoadHistory } from "../../operator/load/load-source.ts";
import type { Operator } from "../../operator/operator.ts";
import { eventually } from "../eventually.ts";
import { callApi } from "./api-access.ts";
import { createNamespace, send } from "./cluster-access.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { applyCrd } from "./global-setup.ts";
import {
  API,
  API_SERVICES,
  askDirectly,
  caBundleOf,
  clientCertificate,
  HOME,
  loadOfPod,
  registerMetricsApi,
  startMetricsOperator,
  strangeAuthority,
  waitForMetricsApi,
  waitUntilKnown,
  WITHIN,
} from "./metrics-api-fixtures.ts";

const MODELS = "models";
const METRIC = `${API}/namespaces/${MODELS}/pods/*/lockstep_concurrency`;
const DAY_MS = 86_400_000;
const USER = { "x-remote-user": "system:serviceaccount:kube-system:horizontal-pod-autoscaler" };

/** How long ago the operator thinks it is. */
let agoMs = 300 * DAY_MS;
const log: string[] = [];
const histories = new Map<string, ReplicaLoadHistory[]>();
let controlPlane: ControlPlane;
let operator: Operator;
let port: number;

// A control plane of their own: it has room for one metrics API.
beforeAll(async () => {
  controlPlane = await startControlPlane({ beforeControllers: applyCrd });
  await createNamespace(controlPlane.access, HOME);
  await createNamespace(controlPlane.access, MODELS);
  operator = await startMetricsOperator(controlPlane, {
    loadOf: (key) => histories.get(key) ?? [],
    now: () => new Date(Date.now() - agoMs),
    log,
  });
  port = operator.metricsApiPort ?? 0;
  await registerMetricsApi(controlPlane, port);
  await waitForMetricsApi(controlPlane);
});
afterAll(async () => {
  await operator.stop();
  await controlPlane.stop();
});

const get = (path: string) => send(controlPlane.access, "GET", path);

/** What all API groups have, as kubectl asks for it. */
async function aggregatedDiscovery(): Promise<unknown> {
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const { status, body } = await send(controlPlane.access, "GET", "/apis", undefined, { accept });
  expect(status).toBe(200);
  return body;
}

interface Made {
  readonly metadata: { readonly name: string; readonly uid: string };
}

async function createPod(service: string, name: string): Promise<Made["metadata"]> {
  const labels = {
    "app.kubernetes.io/managed-by": "lockstep",
    "serving.lockstep.dev/inferenceservice": service,
    replica: name,
  };
  const spec = { containers: [{ name: "runtime", image: "example.test/lockstep/runtime:1" }] };
  const path = `/api/v1/namespaces/${MODELS}/pods`;
  const { status, body, causes } = await send(controlPlane.access, "POST", path, { metadata: { name, labels }, spec });
  if (status !== 201) throw new Error(`cannot make a pod: ${JSON.stringify(causes)}`);
  return (body as Made).metadata;
}

interface List {
  readonly items: readonly Record<string, unknown>[];
}

function valuesOf(body: unknown): Record<string, unknown> {
  const { items } = body as List;
  return Object.fromEntries(items.map((item) => [(item["describedObject"] as { name: string }).name, item["value"]]));
}

describe("through the API server", () => {
  beforeAll(async () => {
    const [a, b] = [await createPod("digits", "digits-a"), await createPod("digits", "digits-b")];
    const other = await createPod("iris", "iris-a");
    await createPod("iris", "iris-silent");
    histories.set(`${MODELS}/digits`, [loadOfPod(a, 3), loadOfPod(b, 0.25)]);
    histories.set(`${MODELS}/iris`, [loadOfPod(other, 7)]);
    await eventually(
      "all pods known to the operator",
      async () => (Object.keys(valuesOf((await get(METRIC)).body)).length === 3 ? true : undefined),
      WITHIN,
    );
  });

  test("the metric of all pods that are known to have one", async () => {
    expect(valuesOf((await get(METRIC)).body)).toEqual({ "digits-a": "3", "digits-b": "250m", "iris-a": "7" });
  });

  test("of those that a selector names", async () => {
    const digits = encodeURIComponent("serving.lockstep.dev/inferenceservice=digits,replica notin (digits-b)");
    const { status, body } = await get(`${METRIC}?labelSelector=${digits}`);
    expect(status).toBe(200);
    expect(body).toEqual({
      kind: "MetricValueList",
      apiVersion: "custom.metrics.k8s.io/v1beta2",
      metadata: {},
      items: [
        {
          describedObject: { kind: "Pod", namespace: MODELS, name: "digits-a", apiVersion: "v1" },
          metric: { name: "lockstep_concurrency", selector: null },
          timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
          windowSeconds: 15,
          value: "3",
        },
      ],
    });
  });

  test("of one pod, in the older version of the API", async () => {
    const { body } = await get(METRIC.replace("v1beta2", "v1beta1").replace("*", "iris-a"));
    expect(body).toMatchObject({
      apiVersion: "custom.metrics.k8s.io/v1beta1",
      items: [{ metricName: "lockstep_concurrency", window: 15, value: "7" }],
    });
  });

  test.each([
    ["a metric that there is not", METRIC.replace("concurrency", "happiness"), 404],
    ["a pod that has none", METRIC.replace("*", "iris-silent"), 404],
    ["a selector that is none", `${METRIC}?labelSelector=a%20in`, 400],
    ["metrics of namespaces", `${API}/namespaces/${MODELS}/metrics/lockstep_concurrency`, 404],
  ])("no answer to %s", async (_words, path, status) => {
    expect(await get(path)).toMatchObject({ status, body: { kind: "Status", code: status } });
  });

  test("nothing can be written", async () => {
    const { status } = await send(controlPlane.access, "POST", METRIC, {});
    expect(status).toBe(405);
  });

  test("the API server finds out what there is", async () => {
    expect((await get(API)).body).toMatchObject({
      kind: "APIResourceList",
      resources: [{ name: "pods/lockstep_concurrency", namespaced: true, verbs: ["get"] }],
    });
    const { groups } = (await get("/apis")).body as { groups: readonly { name: string; preferredVersion: object }[] };
    expect(groups.find(({ name }) => name === "custom.metrics.k8s.io")).toMatchObject({
      preferredVersion: { version: "v1beta2" },
    });
  });

  test("and gathers it with the descriptions of all other APIs, without a complaint", async () => {
    // Complaints of the time before the certificate was known are as they must be.
    const before = controlPlane.apiServerLog().length;
    const openApi = await eventually(
      "the metrics API among those described",
      async () => {
        const { paths } = (await get("/openapi/v3")).body as { paths: Readonly<Record<string, object>> };
        return Object.hasOwn(paths, "apis/autoscaling/v2") ? paths : undefined;
      },
      WITHIN,
    );
    expect(Object.keys(openApi).length).toBeGreaterThan(10);
    expect((await get("/openapi/v2")).status).toBe(200);
    const { items } = (await aggregatedDiscovery()) as { items: readonly { metadata: { name: string } }[] };
    expect(items.map(({ metadata }) => metadata.name)).toContain("custom.metrics.k8s.io");
    const complaints = controlPlane
      .apiServerLog()
      .slice(before)
      .split("\n")
      .filter((line) => line.includes("custom.metrics"));
    expect(complaints).toEqual([]);
  });

  test("it decides who may read: autoscalers may, others need a role", async () => {
    const mayRead = async (user: string): Promise<boolean> => {
      const resourceAttributes = {
        group: "custom.metrics.k8s.io",
        resource: "pods",
        subresource: "lockstep_concurrency",
      };
      const review = { spec: { user, resourceAttributes: { ...resourceAttributes, verb: "get", namespace: MODELS } } };
      const path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
      const { body } = await send(controlPlane.access, "POST", path, review);
      return (body as { status: { allowed: boolean } }).status.allowed;
    };
    expect(await mayRead("system:serviceaccount:kube-system:horizontal-pod-autoscaler")).toBe(true);
    expect(await mayRead(`system:serviceaccount:${MODELS}:default`)).toBe(false);
  });
});

describe("a request that does not come from the API server", () => {
  const ask = (options: Parameters<typeof askDirectly>[2]) => askDirectly(port, METRIC, options);

  test.each([
    ["without a certificate", () => undefined, USER, 401],
    ["with one of another authority", () => clientCertificate(strangeAuthority()), USER, 401],
    ["with one that has another name", () => clientCertificate(controlPlane.frontProxyAuthority, "nobody"), USER, 403],
    ["with one that names no user", () => clientCertificate(controlPlane.frontProxyAuthority), {}, 401],
    ["with that of the API server", () => clientCertificate(controlPlane.frontProxyAuthority), USER, 200],
  ])("%s", async (_words, certificateOf, headers, status) => {
    const certificate = certificateOf();
    const answer = await ask({ headers, ...(certificate && { certificate }) });
    expect(answer.status).toBe(status);
    const kind = status === 200 ? "MetricValueList" : "Status";
    expect(answer.body).toMatchObject({ kind, ...(status !== 200 && { code: status }) });
  });
});

describe("what changes is picked up", () => {
  /** Asks until told to stop, and returns the status of each answer that was no success. */
  function askAllTheTime(): { readonly stop: () => Promise<readonly number[]> } {
    const failures: number[] = [];
    const over = new AbortController();
    const askUntilOver = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const { status } = await callApi(controlPlane.access, "GET", METRIC);
        if (status !== 200) failures.push(status);
      }
    };
    const asking = askUntilOver();
    return {
      stop: async () => {
        over.abort();
        await asking;
        return failures;
      },
    };
  }

  const authorities = async (): Promise<number[]> => {
    const bundles = await Promise.all(API_SERVICES.map((name) => caBundleOf(controlPlane, name)));
    return bundles.map((bundle) => bundle.split("BEGIN CERTIFICATE").length - 1);
  };
  const renewals = (kind: string) => log.filter((line) => line.includes(`"step":{"kind":"${kind}"`)).length;

  test("a certificate that grows old is replaced, and no request notices", async () => {
    const asking = askAllTheTime();
    expect(await authorities()).toEqual([1, 1]);
    agoMs = 20 * DAY_MS;
    await eventually(
      "a second authority",
      async () => ((await authorities()).join() === "2,2" ? true : undefined),
      WITHIN,
    );
    // In the field this takes an hour.
    await waitUntilKnown(controlPlane);
    agoMs = 19 * DAY_MS;
    await eventually("the second certificate", async () => (renewals("promote") === 1 ? true : undefined), WITHIN);
    // All later requests, on new connections too, must find the new one good.
    await waitForMetricsApi(controlPlane);
    for (let count = 0; count < 20; count++) expect((await get(METRIC)).status).toBe(200);
    expect(await asking.stop()).toEqual([]);
  });

  test("a Secret that is lost is made anew", async () => {
    const before = await caBundleOf(controlPlane, API_SERVICES[0]);
    const secret = `/api/v1/namespaces/${HOME}/secrets/lockstep-metrics-api-tls`;
    expect((await send(controlPlane.access, "DELETE", secret)).status).toBe(200);
    await eventually(
      "another authority",
      async () => ((await caBundleOf(controlPlane, API_SERVICES[0])) === before ? undefined : true),
      WITHIN,
    );
    await eventually("an answer", async () => ((await get(METRIC)).status === 200 ? true : undefined), WITHIN);
    await waitForMetricsApi(controlPlane);
  });

  test("an authority of the API server's certificate that comes to it", async () => {
    const added = strangeAuthority();
    const ask = () => askDirectly(port, METRIC, { certificate: clientCertificate(added), headers: USER });
    expect((await ask()).status).toBe(401);
    const configMap = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";
    const key = "requestheader-client-ca-file";
    const { data } = (await get(configMap)).body as { data: Record<string, string> };
    const both = `${data[key]}${added.certificatePem}`;
    expect((await send(controlPlane.access, "PATCH", configMap, { data: { [key]: both } })).status).toBe(200);
    await eventually("an answer", async () => ((await ask()).status === 200 ? true : undefined), WITHIN);
  });
});

test("an APIService of somebody else's is left alone", async () => {
  const before = await caBundleOf(controlPlane, API_SERVICES[0]);
  const lines: string[] = [];
  const other = await startMetricsOperator(controlPlane, {
    loadOf: () => [],
    log: lines,
    environment: {
      LOCKSTEP_METRICS_API_SERVICE: "other-metrics",
      POD_NAMESPACE: MODELS,
      LOCKSTEP_WATCH_NAMESPACES: MODELS,
    },
  });
  try {
    const metrics = await eventually(
      "the state in the metrics",
      async () => {
        const text = await (await fetch(`http://127.0.0.1:${other.port}/metrics`)).text();
        return text.includes('apiservice="v1beta1.custom.metrics.k8s.io"') ? text : undefined;
      },
      WITHIN,
    );
    for (const name of API_SERVICES)
      expect(metrics).toContain(`lockstep_operator_metrics_api_registration{apiservice="${name}",state="foreign"} 1`);
    expect(lines.filter((line) => line.includes("somebody else has it"))).toHaveLength(2);
    expect(await caBundleOf(controlPlane, API_SERVICES[0])).toBe(before);
  } finally {
    await other.stop();
  }
});
