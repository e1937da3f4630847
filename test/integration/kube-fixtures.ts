import { randomBytes } from "node:crypto";
import { inject } from "vitest";
import type { InferenceService, OwnerReference } from "../../common/inferenceservice.gen.ts";
import { createLogger } from "../../common/logger.ts";
import { createApiCluster, type ApiClusterOptions } from "../../operator/kube/api-cluster.ts";
import { createKubeClient, type KubeAnswer, type KubeClient, type KubeRequest } from "../../operator/kube/client.ts";
import type { Cluster } from "../../operator/kube/cluster.ts";
import { loadConnection } from "../../operator/kube/connection.ts";
import type { KubeObject } from "../../operator/kube/object.ts";

/** Access to the API server of the tests, which counts what is sent. */
export interface Access {
  readonly client: KubeClient;
  /** Method and path of each request, in order. */
  readonly sent: string[];
  /** A cluster as a freshly started operator has it. */
  readonly cluster: (options?: Partial<ApiClusterOptions>) => Cluster;
  /** Makes a namespace for one test file. */
  readonly namespace: () => Promise<string>;
}

export function access(kubeconfigFile: string = inject("kubeconfig")): Access {
  const inner = createKubeClient({ connection: loadConnection({ kubeconfigFile }) });
  const sent: string[] = [];
  const client: KubeClient = {
    send: (request: KubeRequest): Promise<KubeAnswer> => {
      sent.push(`${request.method} ${request.path}`);
      return inner.send(request);
    },
    stream: (request, signal) => {
      sent.push(`WATCH ${request.path}`);
      return inner.stream(request, signal);
    },
    close: () => inner.close(),
  };
  return {
    client,
    sent,
    cluster: (options = {}) => createApiCluster({ client, identity: "operator-0", ...options }),
    namespace: async () => {
      const name = `kube-${randomBytes(4).toString("hex")}`;
      await inner.send({ method: "POST", path: "/api/v1/namespaces", body: { metadata: { name } } });
      return name;
    },
  };
}

export const silentLogger = createLogger({ name: "test", level: "silent" });

export interface Deployment extends KubeObject {
  readonly spec: {
    readonly replicas?: number;
    readonly template: {
      readonly spec: { readonly containers: readonly { name: string; image: string; env?: object[] }[] };
    };
  };
}

/** A Deployment that nothing runs, as the operator would apply it. */
export function deployment(
  namespace: string,
  name: string,
  spec: { replicas?: number; image?: string; env?: object[] } = {},
  owner?: OwnerReference,
): Deployment {
  const { image = "localhost/nothing:1", env, ...rest } = spec;
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace, labels: { app: name }, ...(owner === undefined ? {} : { ownerReferences: [owner] }) },
    spec: {
      ...rest,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "main", image, ...(env === undefined ? {} : { env }) }] },
      },
    } as Deployment["spec"],
  };
}

export interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

export function configMap(
  namespace: string,
  name: string,
  data: Record<string, string>,
  owner?: OwnerReference,
): ConfigMap {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name,
      namespace,
      labels: { app: "test" },
      ...(owner === undefined ? {} : { ownerReferences: [owner] }),
    },
    data,
  };
}

/** A stored InferenceService. */
export async function makeInferenceService(
  client: KubeClient,
  namespace: string,
  name: string,
): Promise<InferenceService> {
  const { body } = await client.send({
    method: "POST",
    path: `/apis/serving.lockstep.dev/v1alpha1/namespaces/${namespace}/inferenceservices`,
    body: {
      apiVersion: "serving.lockstep.dev/v1alpha1",
      kind: "InferenceService",
      metadata: { name },
      spec: { predictor: { onnx: { storageUri: "s3://bucket/model" } } },
    },
  });
  return body as InferenceService;
}

export function ownerReference(owner: {
  apiVersion: string;
  kind: string;
  metadata: { name: string; uid?: string };
}): OwnerReference {
  const { apiVersion, kind, metadata } = owner;
  return { apiVersion, kind, name: metadata.name, uid: metadata.uid ?? "", controller: true, blockOwnerDeletion: true };
}

/** Waits until the check is true; fails after 30 s. */
export async function until(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`expected within 30 s: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
}
