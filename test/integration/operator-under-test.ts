import { inject } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { createLogger } from "../../common/logger.ts";
import { readOperatorConfig } from "../../operator/config.ts";
import { createApiCluster } from "../../operator/kube/api-cluster.ts";
import { operatorPrivateKey } from "../../operator/kube/operator-key.ts";
import { newPrivateKeyPem } from "../../operator/replicas/command-signer.ts";
import { createKubeClient, type KubeClient } from "../../operator/kube/client.ts";
import type { ActivatorNetwork } from "../../operator/activator/network.ts";
import type { LoadSource } from "../../operator/load/load-source.ts";
import { ApiError } from "../../operator/kube/cluster.ts";
import { loadNowMs } from "../../operator/load/load-clock.ts";
import { SCALE_METRICS } from "../../operator/load/scale-metric-table.ts";
import { loadConnection, type KubeConnection } from "../../operator/kube/connection.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { pathOf, RESOURCES, type Resource } from "../../operator/kube/resources.ts";
import type { PodObject } from "../../operator/observed/observation.ts";
import { startOperator, type Operator } from "../../operator/operator.ts";
import { eventually } from "../eventually.ts";
import type { Replicas } from "../../operator/replicas/replicas.ts";

const MERGE_PATCH = "application/merge-patch+json";
const NEVER = new AbortController().signal;
const WITHIN = { withinMs: 20_000, everyMs: 50 };

/** Kinds that an InferenceService may own. */
export const OWNED_RESOURCES = [
  RESOURCES.configMaps,
  RESOURCES.deployments,
  RESOURCES.services,
  RESOURCES.horizontalPodAutoscalers,
  RESOURCES.podDisruptionBudgets,
  RESOURCES.networkPolicies,
] as const;

/** A namespace of its own on the real API server, with what tests do to it. */
export interface Sandbox {
  readonly namespace: string;
  readonly client: KubeClient;
  connection(): KubeConnection;
  create(resource: Resource, object: object): Promise<void>;
  read<T extends KubeObject>(resource: Resource, name: string): Promise<T | undefined>;
  list<T extends KubeObject>(resource: Resource): Promise<T[]>;
  /** A merge patch by somebody else, as `kubectl edit` would send. */
  patch(resource: Resource, name: string, change: object, subresource?: string): Promise<void>;
  remove(resource: Resource, name: string): Promise<void>;
  /** Starts an operator that watches this namespace alone. Stopped by {@link close} if not before. */
  operator(options?: SandboxOperatorOptions): Promise<Operator>;
  close(): Promise<void>;
}

export interface SandboxOperatorOptions {
  readonly wrapClient?: (client: KubeClient) => KubeClient;
  readonly replicas?: Replicas;
  /** Who knows the load of replicas. Default: whom the operator asks. */
  readonly loads?: LoadSource;
  readonly network?: ActivatorNetwork;
  readonly monitoringPort?: number;
  readonly onLost?: () => void;
  /** Gets the lines of the operator's log, from level info on. */
  readonly log?: string[];
  /** Variables beside those that every operator of a sandbox has. */
  readonly environment?: Readonly<Record<string, string>>;
}

let sandboxes = 0;

/** Opens a sandbox. */
export async function openSandbox(purpose: string): Promise<Sandbox> {
  const connection = (): KubeConnection => loadConnection({ kubeconfigFile: inject("kubeconfig") });
  const client = createKubeClient({ connection: connection() });
  const namespace = `${purpose}-${process.pid}-${sandboxes++}`;
  await client.send({
    method: "POST",
    path: "/api/v1/namespaces",
    body: { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
  });
  // There before any operator: the writes of each are the same then.
  await operatorPrivateKey(createApiCluster({ client, identity: "test" }), namespace, newPrivateKeyPem, NEVER);
  const operators: Operator[] = [];
  const at = (resource: Resource, name?: string, subresource?: string): string =>
    pathOf(resource, {
      namespace,
      ...(name !== undefined && { name }),
      ...(subresource !== undefined && { subresource }),
    });
  const list = async <T extends KubeObject>(resource: Resource): Promise<T[]> => {
    const { body } = await client.send({ method: "GET", path: at(resource) });
    const { items } = body as { items: T[] };
    return items.map((item) => ({ ...item, apiVersion: resource.apiVersion, kind: resource.kind }));
  };
  return {
    namespace,
    client,
    connection,
    async create(resource, object) {
      await client.send({ method: "POST", path: at(resource), query: { fieldValidation: "Strict" }, body: object });
    },
    read: async <T extends KubeObject>(resource: Resource, name: string) =>
      (await list<T>(resource)).find((item) => item.metadata.name === name),
    list,
    async patch(resource, name, change, subresource) {
      await client.send({
        method: "PATCH",
        path: at(resource, name, subresource),
        query: { fieldManager: "somebody-else" },
        contentType: MERGE_PATCH,
        body: change,
      });
    },
    async remove(resource, name) {
      await client.send({ method: "DELETE", path: at(resource, name) });
    },
    async operator({ environment, log, loads, ...options } = {}) {
      const operator = await startOperator({
        config: readOperatorConfig({
          LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
          LOCKSTEP_WATCH_NAMESPACES: namespace,
          LOCKSTEP_LEADER_ELECTION: "false",
          // Where the operator keeps its key, which all operators of a sandbox have in common.
          POD_NAMESPACE: namespace,
          LOCKSTEP_HTTP_PORT: "0",
          LOCKSTEP_CONSOLE_PORT: "-1",
          // One API server has room for one.
          LOCKSTEP_METRICS_API: "false",
          ...environment,
        }),
        connection: connection(),
        logger: createLogger({
          name: "operator",
          level: log === undefined ? "silent" : "info",
          destination: { write: (line) => log?.push(line) },
        }),
        onLost: () => {},
        ...(loads !== undefined && { load: { source: loads, metrics: SCALE_METRICS, nowMs: loadNowMs } }),
        ...options,
      });
      operators.push(operator);
      return operator;
    },
    async close() {
      await Promise.all(operators.map((operator) => operator.stop()));
      await client.send({ method: "DELETE", path: `/api/v1/namespaces/${namespace}` }).catch((error: unknown) => {
        // The test itself may have deleted it.
        if (!(error instanceof ApiError && [404, 409].includes(error.status))) throw error;
      });
      await client.close();
    },
  };
}

/** A manifest of an InferenceService. */
export function manifest(name: string, predictor: object = {}, spec: object = {}): object {
  return {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: { name },
    spec: { ...spec, predictor: { onnx: { storageUri: "s3://models/digits" }, ...predictor } },
  };
}

/** Waits until condition Ready has a status and reason for the current generation. */
export function waitReady(
  sandbox: Sandbox,
  name: string,
  expected: string,
  withinMs = WITHIN.withinMs,
): Promise<InferenceService> {
  return eventually(
    `${name}: Ready ${expected}`,
    async () => {
      const isvc = await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, name);
      const ready = isvc?.status?.conditions?.find(({ type }) => type === "Ready");
      if (
        isvc !== undefined &&
        ready?.observedGeneration === isvc.metadata.generation &&
        `${ready?.status} ${ready?.reason}` === expected
      )
        return isvc;
      throw new Error(`it is ${ready?.status} ${ready?.reason}: ${ready?.message}`);
    },
    { ...WITHIN, withinMs },
  );
}

/**
 * Stands in for the kubelet, of which there is none here: says of each pod that it runs and whether it is ready. What the
 * replicas say of themselves is up to the test.
 */
export async function setPods(
  sandbox: Sandbox,
  pods: readonly PodObject[],
  ready: boolean,
  status: object = {},
): Promise<void> {
  for (const pod of pods) {
    const container = {
      name: "runtime",
      image: "i",
      imageID: "i",
      ready,
      started: true,
      restartCount: 0,
      state: { running: {} },
    };
    await sandbox.patch(
      RESOURCES.pods,
      pod.metadata.name,
      {
        status: {
          phase: "Running",
          podIP: "127.0.0.1",
          podIPs: [{ ip: "127.0.0.1" }],
          conditions: [
            { type: "PodScheduled", status: "True" },
            { type: "Ready", status: ready ? "True" : "False" },
          ],
          containerStatuses: [container],
          ...status,
        },
      },
      "status",
    );
  }
}

/** Waits until a number of pods exist that are not being deleted. */
export function waitPods(sandbox: Sandbox, count: number): Promise<PodObject[]> {
  return eventually(
    `${count} pods`,
    async () => {
      const pods = (await sandbox.list<PodObject & KubeObject>(RESOURCES.pods)).filter(
        ({ metadata }) => metadata.deletionTimestamp === undefined,
      );
      if (pods.length === count) return pods;
      throw new Error(`there are ${pods.length}`);
    },
    WITHIN,
  );
}
