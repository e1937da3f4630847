import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { request } from "undici";
import { ADMIN_PORT, HTTP_PORT } from "../../common/ports.ts";
import type { KubeClient } from "../../operator/kube/client.ts";
import { ApiError } from "../../operator/kube/cluster.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { pathOf, RESOURCES } from "../../operator/kube/resources.ts";
import { AdminProxy } from "./admin-proxy.ts";
import { TestProcess } from "../fixtures/test-process.ts";
import { TestNode } from "./test-node.ts";

type PodObject = KubeObject & {
  readonly spec: {
    readonly volumes: readonly { readonly name: string; readonly configMap?: { readonly name: string } }[];
  };
};

/** A pod that has a process here. */
export interface Replica {
  readonly podName: string;
  /** The last part of its address. */
  readonly number: number;
  readonly address: string;
  readonly origin: string;
  readonly proxy: AdminProxy;
  /** Undefined while it is about to be started. */
  process: TestProcess | undefined;
  isReady: boolean;
  /** Restarts of the container. */
  restarts: number;
}

const POLL_MS = 100;
/** What a real kubelet takes to notice; the load goes on to replicas that were ready a moment ago, too. */
const PROBE_MS = 250;

/**
 * The part of the nodes that a test of switches needs: runs a real runtime process for each pod that the real control plane
 * makes, on an address of its own, and keeps the pod's status. A process that ends is started again, a pod that is deleted
 * is stopped with SIGTERM first.
 */
export class Fleet implements AsyncDisposable {
  readonly #client: KubeClient;
  readonly #namespace: string;
  readonly #folder = mkdtempSync(path.join(tmpdir(), "lockstep-fleet-"));
  readonly #replicas = new Map<string, Replica>();
  readonly #stopping = new Set<string>();
  readonly #ended = new AbortController();
  readonly #network: number;
  readonly #node: TestNode;
  #last = 0;
  #work: Promise<void> | undefined;

  /** `network` tells fleets of one machine apart: replicas are at 127.0.NETWORK.N. */
  constructor(client: KubeClient, namespace: string, network: number) {
    this.#client = client;
    this.#namespace = namespace;
    this.#network = network;
    this.#node = new TestNode(client, `node-of-${namespace}`);
  }

  get replicas(): readonly Replica[] {
    return [...this.#replicas.values()];
  }

  async start(): Promise<void> {
    await this.#node.join();
    this.#work = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#work;
    await this.#node.leave();
    await Promise.all(
      this.replicas.map(async ({ process, proxy }) => {
        await process?.end("SIGKILL");
        await proxy.close();
      }),
    );
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #run(): Promise<void> {
    const { signal } = this.#ended;
    let probedMs = 0;
    while (!signal.aborted) {
      try {
        await this.#node.beat();
        const pods = await this.#pods();
        for (const pod of pods) this.#follow(pod);
        if (performance.now() - probedMs > PROBE_MS) {
          probedMs = performance.now();
          await Promise.all(pods.map((pod) => this.#probe(pod)));
        }
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
      }
      await delay(POLL_MS, undefined, { signal }).catch(() => {});
    }
  }

  async #pods(): Promise<PodObject[]> {
    const { body } = await this.#client.send({
      method: "GET",
      path: pathOf(RESOURCES.pods, { namespace: this.#namespace }),
    });
    return (body as { items: PodObject[] }).items;
  }

  #follow(pod: PodObject): void {
    const { name, uid = "", deletionTimestamp } = pod.metadata;
    const replica = this.#replicas.get(uid);
    if (deletionTimestamp !== undefined) {
      if (!this.#stopping.has(uid)) void this.#stop(name, uid, replica);
    } else if (replica === undefined) {
      this.#last += 1;
      const address = `127.0.${this.#network}.${this.#last}`;
      const made: Replica = {
        podName: name,
        number: this.#last,
        address,
        origin: `http://${address}:${HTTP_PORT}`,
        proxy: new AdminProxy(address, ADMIN_PORT, ADMIN_PORT + 1),
        process: undefined,
        isReady: false,
        restarts: 0,
      };
      this.#replicas.set(uid, made);
      void this.#node
        .take(this.#namespace, name)
        .then(() => this.#startProcess(pod, made))
        .catch(() => this.#replicas.delete(uid));
    } else if (replica.process !== undefined && !replica.process.isRunning) {
      replica.restarts += 1;
      replica.isReady = false;
      const ended = replica.process;
      replica.process = undefined;
      void this.#startProcess(pod, replica).catch(() => {
        replica.process = ended;
      });
    }
  }

  async #startProcess(pod: PodObject, replica: Replica): Promise<void> {
    await replica.proxy.start();
    const folder = path.join(this.#folder, pod.metadata.name);
    for (const volume of ["config", "operator-key"]) {
      const name = pod.spec.volumes.find((each) => each.name === volume)?.configMap?.name ?? "";
      const { body } = await this.#client.send({
        method: "GET",
        path: pathOf(RESOURCES.configMaps, { namespace: this.#namespace, name }),
      });
      mkdirSync(path.join(folder, volume), { recursive: true });
      for (const [file, text] of Object.entries((body as { data: Record<string, string> }).data))
        writeFileSync(path.join(folder, volume, file), text);
    }
    replica.process = new TestProcess(["runtime/main.ts"], {
      LOCKSTEP_CONFIG: path.join(folder, "config/runtime.json"),
      LOCKSTEP_OPERATOR_KEY: path.join(folder, "operator-key/operator.pem"),
      LOCKSTEP_MODEL_DIR: path.join(folder, "models"),
      LOCKSTEP_HOST: replica.address,
      LOCKSTEP_GRPC_PORT: "-1",
      LOCKSTEP_ADMIN_PORT: String(ADMIN_PORT + 1),
      LOCKSTEP_INTRA_OP_THREADS: "1",
      LOCKSTEP_DRAIN_DELAY_MS: "1500",
    });
    await this.#patchStatus(pod.metadata.name, replica);
  }

  async #probe(pod: PodObject): Promise<void> {
    const replica = this.#replicas.get(pod.metadata.uid ?? "");
    if (replica?.process === undefined || pod.metadata.deletionTimestamp !== undefined) return;
    const isReady = await request(`${replica.origin}/v2/health/ready`, { signal: AbortSignal.timeout(1_000) }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode === 200;
      },
      () => false,
    );
    if (isReady === replica.isReady) return;
    replica.isReady = isReady;
    await this.#patchStatus(pod.metadata.name, replica);
  }

  async #patchStatus(name: string, replica: Replica): Promise<void> {
    await this.#node.setStatus({ namespace: this.#namespace, name }, replica).catch(ignoreGone);
  }

  async #stop(name: string, uid: string, replica: Replica | undefined): Promise<void> {
    this.#stopping.add(uid);
    if (replica !== undefined) {
      replica.isReady = false;
      // A process that was stopped by a fault cannot hear a signal.
      replica.process?.child.kill("SIGCONT");
      await replica.process?.end("SIGTERM");
      await replica.proxy.close();
      this.#replicas.delete(uid);
    }
    await this.#node.remove(this.#namespace, name, uid).catch(ignoreGone);
  }
}

function ignoreGone(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
