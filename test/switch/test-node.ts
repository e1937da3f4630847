import type { KubeClient } from "../../operator/kube/client.ts";
import { pathOf, RESOURCES } from "../../operator/kube/resources.ts";

const BEAT_MS = 8_000;
const LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";

/**
 * A node as far as the control plane is concerned. Pods must be on one: those that are not are gone as soon as they are
 * deleted, whatever still runs. It says that it lives as kubelets do, or its pods would be evicted.
 */
export class TestNode {
  readonly #client: KubeClient;
  readonly #name: string;
  #beatenMs = Number.NEGATIVE_INFINITY;

  constructor(client: KubeClient, name: string) {
    this.#client = client;
    this.#name = name;
  }

  async join(): Promise<void> {
    const metadata = { name: this.#name };
    await this.#client.send({
      method: "POST",
      path: "/api/v1/nodes",
      body: { apiVersion: "v1", kind: "Node", metadata, spec: { podCIDR: "" } },
    });
    await this.#client.send({
      method: "POST",
      path: LEASES,
      body: {
        apiVersion: "coordination.k8s.io/v1",
        kind: "Lease",
        metadata,
        spec: { holderIdentity: this.#name, leaseDurationSeconds: 40, renewTime: microTime() },
      },
    });
    await this.beat();
  }

  /** Says that the node lives, if it is time for it. */
  async beat(): Promise<void> {
    if (performance.now() - this.#beatenMs < BEAT_MS) return;
    this.#beatenMs = performance.now();
    const now = new Date().toISOString();
    const ready = {
      type: "Ready",
      status: "True",
      reason: "KubeletReady",
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    await this.#patch(`/api/v1/nodes/${this.#name}/status`, { status: { conditions: [ready] } });
    await this.#patch(`${LEASES}/${this.#name}`, { spec: { renewTime: microTime() } });
  }

  /** Puts a pod on this node. */
  async take(namespace: string, pod: string): Promise<void> {
    await this.#client.send({
      method: "POST",
      path: pathOf(RESOURCES.pods, { namespace, name: pod, subresource: "binding" }),
      body: {
        apiVersion: "v1",
        kind: "Binding",
        metadata: { name: pod },
        target: { apiVersion: "v1", kind: "Node", name: this.#name },
      },
    });
  }

  /** Says of a pod on this node that its process runs at an address. Throws ApiError where it is gone. */
  async setStatus(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    { address, isReady, restarts }: { readonly address: string; readonly isReady: boolean; readonly restarts: number },
  ): Promise<void> {
    const container = {
      name: "runtime",
      image: "i",
      imageID: "i",
      ready: isReady,
      started: true,
      restartCount: restarts,
    };
    await this.#patch(pathOf(RESOURCES.pods, { namespace, name, subresource: "status" }), {
      status: {
        phase: "Running",
        podIP: address,
        podIPs: [{ ip: address }],
        conditions: [
          { type: "PodScheduled", status: "True" },
          { type: "Ready", status: isReady ? "True" : "False" },
        ],
        containerStatuses: [{ ...container, state: { running: {} } }],
      },
    });
  }

  /** Says that a pod's process has ended, with which the pod is gone. Throws ApiError where it is. */
  async remove(namespace: string, name: string, uid: string): Promise<void> {
    await this.#client.send({
      method: "DELETE",
      path: pathOf(RESOURCES.pods, { namespace, name }),
      body: { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0, preconditions: { uid } },
    });
  }

  async leave(): Promise<void> {
    await this.#client.send({ method: "DELETE", path: `/api/v1/nodes/${this.#name}` });
    await this.#client.send({ method: "DELETE", path: `${LEASES}/${this.#name}` });
  }

  async #patch(path: string, body: object): Promise<void> {
    await this.#client.send({ method: "PATCH", path, contentType: "application/merge-patch+json", body });
  }
}

function microTime(): string {
  return new Date().toISOString().replace("Z", "000Z");
}
