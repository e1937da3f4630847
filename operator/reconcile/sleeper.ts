import type { PortRange } from "../../common/environment.ts";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import type { Activator } from "../activator/activator.ts";
import type { OperatorEndpoints } from "../activator/operator-endpoints.ts";
import { SLICE_MANAGED_BY, SLICE_SERVICE_LABEL } from "../api/labels.ts";
import { activatorSlice, HOLDER_ANNOTATION, portsOf, type ActivatorEndpoint } from "../desired/activator-slice.ts";
import { contentHash } from "../desired/content-hash.ts";
import type { EndpointSliceFields } from "../desired/owned-object.ts";
import { idleTimeoutMs, replicaRange } from "../desired/replica-range.ts";
import type { Cluster } from "../kube/cluster.ts";
import { referenceTo, type KubeObject } from "../kube/object.ts";
import type { LoadSource } from "../load/load-source.ts";
import { isAlive } from "../observed/compute-status.ts";
import type { DeploymentObject, PodObject } from "../observed/observation.ts";
import { isReady } from "../observed/replica-failure.ts";
import { isRolledOut } from "../observed/rollout.ts";
import { decideIdle, type IdleMemory } from "../sleep/idle-decision.ts";
import { allocatePorts, type ActivatorPorts, type PortClaim } from "../sleep/port-allocation.ts";
import { nextSleepStep, type SleepSnapshot } from "../sleep/sleep-step.ts";
import { keyOfService } from "./informed-world.ts";
import type { World } from "./world.ts";

export interface SleeperOptions {
  readonly world: Pick<World, "activatorSlices">;
  readonly cluster: Pick<Cluster, "apply" | "delete" | "list" | "scale" | "createEvent">;
  readonly activator: Pick<Activator, "listen" | "isListening" | "blockedPorts">;
  readonly loads: LoadSource;
  readonly endpoints: Pick<OperatorEndpoints, "others">;
  /** Whether another operator takes connections there. */
  readonly probe: (address: string, port: number) => Promise<boolean>;
  /** This operator's address; empty: nothing can be brought to it, so nothing is scaled to zero. */
  readonly address: string;
  readonly ports: PortRange;
  /** Differs between all processes. */
  readonly identity: string;
  /** The clock of load samples. */
  readonly nowMs: () => number;
}

/** What a look at an InferenceService is about. */
export interface SleeperContext {
  readonly key: string;
  readonly isvc: InferenceService;
  readonly owned: readonly KubeObject[];
  readonly pods: readonly PodObject[];
  /** The Deployment after it was applied. */
  readonly deployment: DeploymentObject | undefined;
  /** Whether the versions are where the spec wants them, as far as is known. */
  readonly isSwitching: boolean;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** What others do is looked at again after so long, in ms: kube-proxy's view, another operator that is about to listen. */
const RECHECK_MS = 500;
/** An operator that does not listen after all is asked this often, in ms. */
const SLOW_RECHECK_MS = 10_000;
/** So often it is asked at the shorter interval. */
const QUICK_RECHECKS = 20;

interface Memory {
  idle: IdleMemory | undefined;
  /** Ports that were given and are not in the world yet. */
  granted: ActivatorPorts | undefined;
  /** Looks at which an operator did not listen. */
  unanswered: number;
}

/** Sends InferenceServices that nobody asks to sleep, and covers for them until they are awake: carries out {@link nextSleepStep}. */
export class Sleeper {
  readonly #options: SleeperOptions;
  /** By key. */
  readonly #memories = new Map<string, Memory>();

  constructor(options: SleeperOptions) {
    this.#options = options;
  }

  /** Forgets the InferenceService `NAMESPACE/NAME`, which is gone. */
  forget(key: string): void {
    this.#memories.delete(key);
  }

  /** Takes the next step; says when to look again if nothing is heard. Throws what the API server's troubles throw. */
  async advance(context: SleeperContext): Promise<{ readonly requeueAfterMs?: number }> {
    const { key, isvc, pods, deployment } = context;
    const slice = context.owned.find(isSlice);
    const range = replicaRange(isvc.spec);
    if (!range.scalesToZero && slice === undefined) {
      this.forget(key);
      return {};
    }
    const memory = this.#memories.get(key) ?? { idle: undefined, granted: undefined, unanswered: 0 };
    this.#memories.set(key, memory);
    if (range.scalesToZero && this.#options.address === "") return await this.#keepAwake(context);
    const lookAgainAtMs = this.#look(memory, context);
    const snapshot: SleepSnapshot = {
      mode: isvc.spec.stop ? "stopped" : range.scalesToZero ? "scalesToZero" : "never",
      replicas: deployment?.spec?.replicas,
      ready: pods.filter((pod) => isAlive(pod) && isReady(pod)).length,
      isIdle: lookAgainAtMs === "sleep",
      slice: this.#viewOf(slice, key),
    };
    return await this.#take(slice, snapshot, memory, context, lookAgainAtMs);
  }

  #viewOf(slice: SliceObject | undefined, key: string): SleepSnapshot["slice"] {
    const { activator, address, identity } = this.#options;
    if (slice === undefined || slice.metadata.deletionTimestamp !== undefined) return undefined;
    const ports = portsOf(slice);
    return {
      isReady: ports !== undefined && activator.isListening(key, ports) && names(slice, address),
      isMine: slice.metadata.annotations?.[HOLDER_ANNOTATION] === identity,
    };
  }

  async #take(
    slice: SliceObject | undefined,
    snapshot: SleepSnapshot,
    memory: Memory,
    context: SleeperContext,
    lookAgainAtMs: number | "sleep" | undefined,
  ): Promise<{ readonly requeueAfterMs?: number }> {
    const { isvc, logger, signal } = context;
    const step = nextSleepStep(snapshot);
    const lookAgain =
      typeof lookAgainAtMs === "number" ? { requeueAfterMs: lookAgainAtMs - this.#options.nowMs() } : {};
    switch (step.kind) {
      case "nothing":
        return lookAgain;
      case "cover": {
        const requeueAfterMs = await this.#cover(memory, slice, snapshot, context);
        return requeueAfterMs === undefined ? lookAgain : { requeueAfterMs };
      }
      case "scaleToZero":
        return (await this.#scaleToZero(memory, context)) ? {} : { requeueAfterMs: RECHECK_MS };
      case "uncover":
        if (!(await this.#hasReplicas(isvc, signal))) return { requeueAfterMs: RECHECK_MS };
        if (await this.#remove(slice, signal)) logger.info("replicas answer by themselves");
        return lookAgain;
      case "remove":
        if (await this.#remove(slice, signal)) logger.info("stopped: requests are no longer held");
        return {};
      default:
        return step satisfies never;
    }
  }

  /** When to look again at whether there is anything to do, or that there is nothing. */
  #look(memory: Memory, { key, isvc, pods, deployment, isSwitching }: SleeperContext): number | "sleep" | undefined {
    const { loads, nowMs } = this.#options;
    const replicas = deployment?.spec?.replicas ?? 0;
    if (!replicaRange(isvc.spec).scalesToZero || replicas === 0) {
      memory.idle = undefined;
      return undefined;
    }
    const byUid = new Map(loads.loadOf(key).map((history) => [history.podUid, history.samples]));
    const { memory: idle, decision } = decideIdle(memory.idle, {
      replicas: pods.filter(isAlive).map((pod) => ({
        podUid: pod.metadata.uid ?? "",
        isReady: isReady(pod),
        samples: byUid.get(pod.metadata.uid ?? "") ?? [],
      })),
      isChanging:
        isSwitching ||
        deployment === undefined ||
        !isRolledOut(deployment) ||
        deployment.status?.replicas !== replicas ||
        pods.some(({ metadata }) => metadata.deletionTimestamp !== undefined),
      nowMs: nowMs(),
      idleTimeoutMs: idleTimeoutMs(isvc.spec),
    });
    memory.idle = idle;
    return decision.kind === "sleep" ? "sleep" : decision.lookAgainAtMs;
  }

  /** Writes the slice; returns when to look again, because not all operators listen yet. */
  async #cover(
    memory: Memory,
    slice: SliceObject | undefined,
    { isIdle }: SleepSnapshot,
    { key, isvc, logger, signal }: SleeperContext,
  ): Promise<number | undefined> {
    const { activator, cluster, identity, ports: range, world } = this.#options;
    const ports = allocatePorts(key, this.#claims(world.activatorSlices()), range, activator.blockedPorts(key));
    if (ports === undefined) {
      logger.warn("no port is free to hold requests: it is kept awake");
      return SLOW_RECHECK_MS;
    }
    memory.granted = ports;
    const isListening = await activator.listen(key, ports);
    const endpoints = await this.#endpoints(slice, ports, isListening);
    const holder = isIdle ? identity : (slice?.metadata.annotations?.[HOLDER_ANNOTATION] ?? identity);
    const object = activatorSlice(isvc, ports, endpoints, holder);
    const result = await cluster.apply(object, { live: slice, signal });
    if (result.kind === "created") logger.info({ ports }, "operators answer until a replica does");
    if (endpoints.every((endpoint) => endpoint.isListening)) {
      memory.unanswered = 0;
      // A change of the slice is told by the informer; without one there is nothing to wait for.
      return isIdle ? RECHECK_MS : undefined;
    }
    memory.unanswered++;
    return memory.unanswered > QUICK_RECHECKS ? SLOW_RECHECK_MS : RECHECK_MS;
  }

  /** All operators, and which of them take connections. */
  async #endpoints(
    slice: SliceObject | undefined,
    ports: ActivatorPorts,
    isListening: boolean,
  ): Promise<ActivatorEndpoint[]> {
    const { address, endpoints, probe } = this.#options;
    const recorded = new Map((slice?.endpoints ?? []).map((one) => [one.addresses[0] ?? "", one.conditions.ready]));
    const before = slice === undefined ? undefined : portsOf(slice);
    const isSame = before?.http === ports.http && before.grpc === ports.grpc;
    // Not known yet: those of before.
    const others = endpoints.others() ?? [...recorded.keys()].filter((one) => one !== address);
    const asked = await Promise.all(
      others.map(async (other) => {
        const isKnown = isSame && recorded.get(other) === true;
        const answers = isKnown || ((await probe(other, ports.http)) && (await probe(other, ports.grpc)));
        return { address: other, isListening: answers };
      }),
    );
    return [{ address, isListening }, ...asked].sort((a, b) => (a.address < b.address ? -1 : 1));
  }

  async #scaleToZero(memory: Memory, { isvc, deployment, logger, signal }: SleeperContext): Promise<boolean> {
    const { cluster } = this.#options;
    memory.idle = undefined;
    const live = deployment as KubeObject & DeploymentObject;
    const { kind } = await cluster.scale(live, 0, signal);
    // It has changed: whatever that was, it is looked at again.
    if (kind === "conflict") return false;
    const idleSeconds = idleTimeoutMs(isvc.spec) / 1000;
    logger.info({ idleSeconds }, "scaled to zero");
    const { name, uid } = isvc.metadata;
    const { resourceVersion } = live.metadata;
    await cluster.createEvent(
      {
        name: `${name}.${contentHash({ uid, reason: "ScaledToZero", resourceVersion })}`,
        regarding: isvc,
        type: "Normal",
        reason: "ScaledToZero",
        action: "Scale",
        note: `no request came for ${idleSeconds} s: the next one wakes ${name}`,
      },
      signal,
    );
    return true;
  }

  /** Whether kube-proxy knows of a replica that answers: it is told of slices in the order of their writes. */
  async #hasReplicas({ metadata }: InferenceService, signal: AbortSignal): Promise<boolean> {
    const slices = await this.#options.cluster.list<SliceObject>(
      {
        ...SLICE,
        namespace: metadata.namespace ?? "default",
        labelSelector: `${SLICE_SERVICE_LABEL}=${metadata.name},${SLICE_MANAGED_BY.key}!=${SLICE_MANAGED_BY.value}`,
      },
      signal,
    );
    return slices.some(({ endpoints }) => endpoints?.some(({ conditions }) => conditions.ready) === true);
  }

  /** Deletes the slice as it was seen; a newer one is told of by the informer. */
  async #remove(slice: SliceObject | undefined, signal: AbortSignal): Promise<boolean> {
    if (slice === undefined || slice.metadata.deletionTimestamp !== undefined) return false;
    const { uid = "", resourceVersion } = slice.metadata;
    const precondition = { uid, ...(resourceVersion !== undefined && { resourceVersion }) };
    const { kind } = await this.#options.cluster.delete(referenceTo(slice), precondition, signal);
    return kind === "deleted";
  }

  /** Nothing could wake it: it must not be asleep. */
  async #keepAwake({ deployment, signal }: SleeperContext): Promise<{ readonly requeueAfterMs?: number }> {
    if (deployment?.spec?.replicas !== 0) return {};
    const { kind } = await this.#options.cluster.scale(deployment, 1, signal);
    return kind === "conflict" ? { requeueAfterMs: RECHECK_MS } : {};
  }

  /** Whose ports are whose: what slices say, and what was given away since. */
  #claims(slices: readonly KubeObject[]): PortClaim[] {
    const claims = slices.flatMap((slice): PortClaim[] => {
      const ports = portsOf(slice as SliceObject);
      const since = slice.metadata.creationTimestamp ?? "";
      return ports === undefined ? [] : [{ key: keyOfService(slice), ports, since }];
    });
    const known = new Set(claims.map(({ key }) => key));
    for (const [key, { granted }] of this.#memories)
      if (granted !== undefined && !known.has(key)) claims.push({ key, ports: granted, since: "granted" });
    return claims;
  }
}

type SliceObject = KubeObject & Partial<EndpointSliceFields>;
const SLICE = { apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice" } as const;

function isSlice(object: KubeObject): object is SliceObject {
  return object.kind === "EndpointSlice";
}

/** Whether a slice sends requests to an address. */
function names({ endpoints = [] }: Partial<EndpointSliceFields>, address: string): boolean {
  return endpoints.some(({ addresses, conditions }) => addresses.includes(address) && conditions.ready);
}
