import { Agent, createServer, request, type Server } from "node:http";
import { connect } from "node:net";
import type { ReplicaState } from "../../common/admin-api.ts";
import { HTTP_PORT } from "../../common/ports.ts";
import { createTcpNetwork, type ActivatorNetwork } from "../../operator/activator/network.ts";
import type { EndpointSliceFields } from "../../operator/desired/owned-object.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { loadNowMs } from "../../operator/load/load-clock.ts";
import type { LoadSource } from "../../operator/load/load-source.ts";
import type { PodObject } from "../../operator/observed/observation.ts";
import type { Replicas } from "../../operator/replicas/replicas.ts";
import { listening } from "./activator-under-test.ts";
import { joiningReplicas } from "./joining-replicas.ts";
import { setPods, type Sandbox } from "./operator-under-test.ts";

/**
 * What a cluster without nodes lacks for an InferenceService that sleeps: replicas that answer and tell their load, a kubelet
 * that says that they are ready, and proxies that send requests where EndpointSlices say.
 *
 * Pods and operators have addresses of documentation's 192.0.2.0/24, as EndpointSlices take none of the loopback; each leads
 * to the loopback address with the same last part.
 */
export interface SleepingService {
  readonly loads: LoadSource;
  readonly replicas: Replicas;
  /** The way of an operator at 192.0.2.N to clients and replicas. */
  network(lastPart: number): ActivatorNetwork;
  /** Sends a request where the slices send it: the status, or what went wrong. `to`: only by this address. */
  ask(to?: string): Promise<number | string>;
  /** The addresses to which slices send requests. */
  addresses(): Promise<string[]>;
  deployment(): Promise<KubeObject & { readonly spec: { readonly replicas?: number } }>;
  /** Requests that replicas have answered. */
  answered(): number;
  close(): Promise<void>;
}

const REPLICA = 101;
const MODELS: ReplicaState["models"] = [
  { name: "digits", activeVersion: 2, listed: [2], versions: [{ version: 2, state: "Available" }] },
];

export async function startSleepingService(sandbox: Sandbox, name: string): Promise<SleepingService> {
  let answered = 0;
  let inFlight = 0;
  let pods: readonly PodObject[] = [];
  const server: Server = createServer((incoming, response) => {
    inFlight++;
    incoming.resume().on("end", () => {
      answered++;
      inFlight--;
      response.setHeader("connection", "close");
      response.end("ok");
    });
  });
  const replicaPort = await listening(server);
  const stop = new AbortController();

  const endpointsOf = (ready: boolean): object[] =>
    ready ? [{ addresses: [`192.0.2.${REPLICA}`], conditions: { ready } }] : [];

  /** As Kubernetes' controller does, which leaves out pods without a node. */
  async function tellEndpoints(isReady: boolean, isTold: boolean | undefined): Promise<void> {
    const labels = { "kubernetes.io/service-name": name, "endpointslice.kubernetes.io/managed-by": "test" };
    const ports = [{ name: "http", port: HTTP_PORT, protocol: "TCP" }];
    const { apiVersion, kind } = RESOURCES.endpointSlices;
    const endpoints = endpointsOf(isReady);
    const metadata = { name: `${name}-of-controller`, labels };
    if (isTold !== undefined) await sandbox.patch(RESOURCES.endpointSlices, metadata.name, { endpoints });
    else
      await sandbox.create(RESOURCES.endpointSlices, {
        apiVersion,
        kind,
        metadata,
        addressType: "IPv4",
        endpoints,
        ports,
      });
  }

  /** Says of each new pod after a while that it is ready, and later that requests can be sent there. */
  async function kubelet(): Promise<void> {
    let isTold: boolean | undefined;
    while (!stop.signal.aborted) {
      const all = await sandbox.list<PodObject & KubeObject>(RESOURCES.pods);
      pods = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const fresh = pods.filter(({ status }) => status?.podIP === undefined);
      const podIP = `192.0.2.${REPLICA}`;
      const isReady = pods.length > fresh.length;
      if (isReady !== isTold) {
        await tellEndpoints(isReady, isTold);
        isTold = isReady;
      }
      // One may have been deleted meanwhile.
      await setPods(sandbox, fresh, true, { podIP, podIPs: [{ ip: podIP }] }).catch(() => {});
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
  }
  const running = kubelet();

  async function addresses(): Promise<{ readonly address: string; readonly port: number }[]> {
    const slices = await sandbox.list<KubeObject & EndpointSliceFields>(RESOURCES.endpointSlices);
    return slices
      .filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === name)
      .flatMap(({ endpoints, ports }) =>
        (endpoints ?? [])
          .filter(({ conditions }) => conditions.ready)
          .map(({ addresses: [address = ""] }) => ({
            address,
            port: ports.find((port) => port.name === "http")?.port ?? 0,
          })),
      );
  }

  return {
    loads: {
      loadOf: () =>
        pods.map(({ metadata }) => ({
          podUid: metadata.uid ?? "",
          podName: metadata.name,
          samples: [
            {
              atMs: loadNowMs(),
              load: {
                instance: "a",
                takenAtMs: performance.now(),
                inFlight,
                requests: answered + inFlight,
                refused: 0,
                inFlightMs: 0,
                queueMs: 0,
                queued: 0,
                computeMs: 0,
              },
            },
          ],
        })),
    },
    replicas: joiningReplicas(MODELS),
    network: (lastPart) => {
      const own = createTcpNetwork(`127.0.0.${lastPart}`);
      return {
        listen: (port, accept) => own.listen(port, accept),
        connect: (address, port) => createTcpNetwork().connect(...placeOf(address, port, replicaPort)),
      };
    },
    ask: async (to) => {
      const all = await addresses();
      const found = all.filter(({ address }) => to === undefined || address === to);
      const target = found[Math.floor(Math.random() * found.length)];
      if (target === undefined) return "no endpoint";
      const [host, port] = placeOf(target.address, target.port, replicaPort);
      return await new Promise<number | string>((resolve) => {
        const agent = new Agent();
        agent.createConnection = () => connect({ host, port });
        const sent = request({ method: "POST", path: "/", agent, headers: { host: name } }, (message) => {
          message.resume().on("end", () => resolve(message.statusCode ?? 0));
        });
        sent.on("error", (error) => resolve(error.message));
        sent.end("{}");
      });
    },
    addresses: async () => [...new Set((await addresses()).map(({ address }) => address))].sort(),
    deployment: async () => {
      const found = await sandbox.read<KubeObject & { readonly spec: { readonly replicas?: number } }>(
        RESOURCES.deployments,
        `${name}-predictor`,
      );
      if (found === undefined) throw new Error("no Deployment");
      return found;
    },
    answered: () => answered,
    close: async () => {
      stop.abort();
      await running.catch(() => {});
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Where the test has what the cluster would have at an address. */
function placeOf(address: string, port: number, replicaPort: number): [host: string, port: number] {
  const lastPart = Number(address.split(".")[3]);
  if (lastPart === REPLICA) return ["127.0.0.1", port === HTTP_PORT ? replicaPort : 1];
  return [`127.0.0.${lastPart}`, port];
}
