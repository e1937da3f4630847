import { request } from "node:https";
import { createLogger } from "../../common/logger.ts";
import { readOperatorConfig } from "../../operator/config.ts";
import { loadConnection } from "../../operator/kube/connection.ts";
import type { ReplicaLoadHistory } from "../../operator/load/load-source.ts";
import { makeAuthority, makeCertificate, type KeyPairPem } from "../../operator/metrics-api/certificates.ts";
import type { PodMetricTable } from "../../operator/metrics-api/pod-metrics.ts";
import { startOperator, type Operator } from "../../operator/operator.ts";
import { eventually } from "../eventually.ts";
import { callApi } from "./api-access.ts";
import { apply, send, type Answer } from "./cluster-access.ts";
import { FRONT_PROXY_NAME, type ControlPlane } from "./control-plane.ts";

export const HOME = "lockstep-system";
export const API = "/apis/custom.metrics.k8s.io/v1beta2";
export const API_SERVICES = ["v1beta2.custom.metrics.k8s.io", "v1beta1.custom.metrics.k8s.io"] as const;
export const WITHIN = { withinMs: 45_000, everyMs: 100 };

/** The metric of the tests: the newest sample's requests in flight, as they are. */
export const METRICS: PodMetricTable = {
  lockstep_concurrency: {
    description: "Requests in flight.",
    valueOf: ({ samples }) => {
      const newest = samples.at(-1);
      return newest && { value: newest.load.inFlight, windowMs: 15_000, atMs: newest.atMs };
    },
  },
};

/** A replica that has so many requests in flight. */
export function loadOfPod(pod: { readonly name: string; readonly uid: string }, inFlight: number): ReplicaLoadHistory {
  const load = { instance: "a", takenAtMs: 1, inFlight, requests: 1, refused: 0, inFlightMs: 1, queueMs: 0, queued: 0 };
  return {
    podUid: pod.uid,
    podName: pod.name,
    samples: [{ atMs: performance.now(), load: { ...load, computeMs: 0 } }],
  };
}

export interface MetricsOperatorOptions {
  readonly loadOf: (key: string) => readonly ReplicaLoadHistory[];
  readonly now?: () => Date;
  readonly environment?: Readonly<Record<string, string>>;
  readonly log?: string[];
}

/** Starts an operator that serves the metrics API and looks at its certificates all the time. */
export function startMetricsOperator(
  controlPlane: ControlPlane,
  { loadOf, now, environment, log = [] }: MetricsOperatorOptions,
): Promise<Operator> {
  return startOperator({
    config: readOperatorConfig({
      LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
      LOCKSTEP_LEADER_ELECTION: "false",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_CONSOLE_PORT: "-1",
      LOCKSTEP_METRICS_API_PORT: "0",
      POD_NAMESPACE: HOME,
      ...environment,
    }),
    connection: loadConnection({ kubeconfigFile: controlPlane.kubeconfig }),
    logger: createLogger({ name: "operator", level: "info", destination: { write: (line) => log.push(line) } }),
    onLost: () => {},
    load: { source: { loadOf }, metrics: METRICS, nowMs: () => performance.now() },
    metricsApiTiming: { refreshIntervalMs: 100, ...(now && { now }) },
  });
}

/** What the chart brings, but that the Service leads out of the cluster, to this machine, where the operator of the tests is. */
export async function registerMetricsApi({ access }: ControlPlane, port: number): Promise<void> {
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "lockstep-metrics", namespace: HOME },
    spec: { type: "ExternalName", externalName: "localhost" },
  };
  await must(apply(access, `/api/v1/namespaces/${HOME}/services/lockstep-metrics`, service));
  for (const name of API_SERVICES) {
    const [version, ...group] = name.split(".");
    const apiService = {
      apiVersion: "apiregistration.k8s.io/v1",
      kind: "APIService",
      metadata: { name },
      spec: {
        group: group.join("."),
        version,
        groupPriorityMinimum: 100,
        versionPriority: 100,
        service: { namespace: HOME, name: "lockstep-metrics", port },
      },
    };
    await must(apply(access, apiServicePath(name), apiService));
  }
}

async function must(answer: Promise<Answer>): Promise<void> {
  const { status, causes } = await answer;
  if (status !== 200 && status !== 201) throw new Error(`the API server refuses: ${JSON.stringify(causes)}`);
}

/** Waits until the API server answers for the metrics API. */
export async function waitForMetricsApi({ access }: ControlPlane): Promise<void> {
  await eventually(
    "the metrics API",
    async () => {
      for (const name of API_SERVICES) {
        const { body } = await send(access, "GET", apiServicePath(name));
        const { conditions = [] } = (body as { status?: { conditions?: readonly Condition[] } }).status ?? {};
        const available = conditions.find(({ type }) => type === "Available");
        if (available?.status !== "True") throw new Error(`${name}: ${available?.message}`);
        // Another part of the API server passes requests on, and learns of it by itself.
        const [version, ...group] = name.split(".");
        const { status } = await send(access, "GET", `/apis/${group.join(".")}/${version}`);
        if (status !== 200) throw new Error(`${name}: ${status}`);
      }
      return true;
    },
    WITHIN,
  );
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}

let probes = 0;

/**
 * Waits until the part of the API server that passes requests on knows all APIServices as they are now: it takes changes
 * one after the other, so it does when it answers for one that is made after them.
 */
export async function waitUntilKnown({ access }: ControlPlane): Promise<void> {
  const group = `probe-${probes++}.lockstep.dev`;
  const name = `v1.${group}`;
  const service = { namespace: HOME, name: "nobody" };
  const spec = { group, version: "v1", groupPriorityMinimum: 100, versionPriority: 100, service };
  const probe = { apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata: { name }, spec };
  await must(apply(access, apiServicePath(name), probe));
  await eventually(
    "an answer for another API, which is that nobody serves it",
    async () => ((await callApi(access, "GET", `/apis/${group}/v1`)).status === 503 ? true : undefined),
    WITHIN,
  );
  await must(send(access, "DELETE", apiServicePath(name)));
}

/** The certificates of authorities, in PEM, that the API server believes for an APIService. */
export async function caBundleOf({ access }: ControlPlane, name: string): Promise<string> {
  const { body } = await send(access, "GET", apiServicePath(name));
  const { caBundle = "" } = (body as { spec: { caBundle?: string } }).spec;
  return Buffer.from(caBundle, "base64").toString();
}

export function apiServicePath(name: string): string {
  return `/apis/apiregistration.k8s.io/v1/apiservices/${name}`;
}

const validity = () => ({ notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) });

/** A client certificate, by default as the API server itself has one. */
export function clientCertificate(authority: KeyPairPem, commonName: string = FRONT_PROXY_NAME): KeyPairPem {
  return makeCertificate({ authority, commonName, use: { kind: "client" }, validity: validity() });
}

/** An authority that nobody knows. */
export function strangeAuthority(): KeyPairPem {
  return makeAuthority("somebody", validity());
}

/** Asks the operator itself, without the API server. */
export function askDirectly(
  port: number,
  path: string,
  options: {
    readonly certificate?: KeyPairPem;
    readonly headers?: Readonly<Record<string, string>>;
    readonly method?: string;
  } = {},
): Promise<{ readonly status: number; readonly body: unknown }> {
  const { certificate, headers = {}, method = "GET" } = options;
  return new Promise((resolve, reject) => {
    const sent = request({
      host: "127.0.0.1",
      port,
      path,
      method,
      headers,
      agent: false,
      // What the client thinks of the server is not what these requests are about.
      rejectUnauthorized: false,
      ...(certificate && { cert: certificate.certificatePem, key: certificate.privateKeyPem }),
    });
    sent.on("error", reject);
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as unknown }));
      response.on("error", reject);
    });
    sent.end();
  });
}
