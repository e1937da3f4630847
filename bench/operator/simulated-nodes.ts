import { SERVICE_LABEL } from "../../operator/api/labels.ts";
import { Informer } from "../../operator/controller/informer.ts";
import type { KubeClient } from "../../operator/kube/client.ts";
import { ApiError } from "../../operator/kube/cluster.ts";
import { createListWatch } from "../../operator/kube/list-watch.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import type { PodObject } from "../../operator/observed/observation.ts";
import { createLogger } from "../../common/logger.ts";
import { TestNode } from "../../test/switch/test-node.ts";
import { SimulatedReplica } from "./simulated-replica.ts";

const BEAT_MS = 2_000;

/** The kubelets of a control plane without nodes: each pod runs as a {@link SimulatedReplica} on an address of its own, 127.1.X.Y. */
export class SimulatedNodes implements AsyncDisposable {
  readonly #node: TestNode;
  readonly #pods: Informer<PodObject & KubeObject>;
  readonly #replicas = new Map<string, SimulatedReplica>();
  readonly #ending = new Set<string>();
  #beats: NodeJS.Timeout | undefined;
  #last = 0;

  constructor(client: KubeClient, namespace: string) {
    this.#node = new TestNode(client, "simulated");
    this.#pods = new Informer<PodObject & KubeObject>({
      sources: [createListWatch(client, { resource: RESOURCES.pods, namespace })],
      logger: createLogger({ name: "simulated nodes", level: "warn" }),
    });
    this.#pods.addHandler({ changed: (_old, pod) => (pod === undefined ? undefined : this.#follow(pod)) });
  }

  async start(): Promise<void> {
    await this.#node.join();
    this.#beats = setInterval(() => void this.#node.beat().catch(ignoreRefusal), BEAT_MS);
    this.#pods.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#beats);
    await this.#pods.stop();
    await Promise.all([...this.#replicas.values()].map((replica) => replica.close()));
  }

  async #follow(pod: PodObject & KubeObject): Promise<void> {
    const { uid = "", deletionTimestamp } = pod.metadata;
    if (deletionTimestamp !== undefined) await this.#end(pod, uid);
    else if (!this.#replicas.has(uid)) await this.#run(pod, uid);
  }

  async #run(pod: PodObject & KubeObject, uid: string): Promise<void> {
    const address = `127.1.${Math.floor(this.#last / 250)}.${(this.#last++ % 250) + 1}`;
    let told: boolean | undefined;
    const tell = (): void => {
      if (told === replica.isReady) return;
      told = replica.isReady;
      const { namespace = "", name } = pod.metadata;
      void this.#node.setStatus({ namespace, name }, { address, isReady: told, restarts: 0 }).catch(ignoreRefusal);
    };
    const replica = new SimulatedReplica(pod.metadata.labels?.[SERVICE_LABEL] ?? "", tell);
    this.#replicas.set(uid, replica);
    await replica.listen(address);
    await this.#node.take(pod.metadata.namespace ?? "", pod.metadata.name).catch(ignoreRefusal);
    tell();
  }

  async #end(pod: PodObject & KubeObject, uid: string): Promise<void> {
    if (this.#ending.has(uid)) return;
    this.#ending.add(uid);
    await this.#replicas.get(uid)?.close();
    this.#replicas.delete(uid);
    const { namespace = "", name } = pod.metadata;
    await this.#node.remove(namespace, name, uid).catch(ignoreRefusal);
  }
}

/** What is gone, or has changed meanwhile, is looked at again with its next event. */
function ignoreRefusal(error: unknown): void {
  if (!(error instanceof ApiError)) throw error;
}
