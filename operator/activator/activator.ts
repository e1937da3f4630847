import type { Socket } from "node:net";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { GRPC_PORT, HTTP_PORT } from "../../common/ports.ts";
import { sleep, systemClock, type Clock } from "../controller/clock.ts";
import { portsOf } from "../desired/activator-slice.ts";
import type { OwnedEndpointSlice } from "../desired/owned-object.ts";
import type { DeploymentObject } from "../observed/observation.ts";
import { isReady } from "../observed/replica-failure.ts";
import type { World } from "../reconcile/world.ts";
import type { ActivatorPorts } from "../sleep/port-allocation.ts";
import { HeldConnection } from "./held-connection.ts";
import { tryConnect, type ActivatorNetwork } from "./network.ts";
import { PortListeners, type Protocol } from "./port-listeners.ts";
import type { Refusal } from "./refusal.ts";

/** Hears what the activator does, for metrics. */
export interface ActivatorObserver {
  woken(): void;
  /** A connection was passed on to a replica, after so long. */
  passedOn(waitedMs: number): void;
  refused(refusal: Refusal): void;
}

export interface ActivatorOptions {
  readonly world: Pick<World, "inferenceService" | "ownedBy" | "podsOf">;
  readonly network: ActivatorNetwork;
  /** Gives a sleeping InferenceService a replica; true if it had none. */
  readonly wake: (isvc: InferenceService, signal: AbortSignal) => Promise<boolean>;
  readonly limits: ActivatorLimits;
  readonly observer: ActivatorObserver;
  readonly logger: Logger;
  readonly clock?: Clock;
}

export interface ActivatorLimits {
  /** How long a connection is held. */
  readonly deadlineMs: number;
  /** Held for one InferenceService. */
  readonly maxHeld: number;
  /** Held and passed on, for all together. */
  readonly maxConnections: number;
  /** How long ports are listened on after replicas answer again: proxies of nodes lag behind. Default: 60 000 ms. */
  readonly lingerMs?: number;
}

/** What has been asked for is asked for again after so long, in ms, as long as somebody waits and no replica is ready. */
const WAKE_AGAIN_MS = 2_000;
/** A replica that does not take a connection is tried again after so long, in ms. */
const CONNECT_AGAIN_MS = 200;
/** Ports that could not be had are tried again after so long, in ms. */
const LISTEN_AGAIN_MS = 5_000;
/** So many more may be told why they are refused, when there are too many. */
const MAX_REFUSED_AT_A_TIME = 256;

/** What there is of one InferenceService. */
interface Entry {
  readonly key: string;
  /** Connections that wait for a replica. */
  readonly waiting: Set<Waiting>;
  /** For round robin. */
  turn: number;
  isWaking: boolean;
  /** Calls off to wake it again; undefined where that is not planned. */
  wakeAgain: (() => void) | undefined;
}

interface Waiting {
  readonly protocol: Protocol;
  readonly connection: HeldConnection;
  /** When it came; when it asked, if it has. */
  sinceMs: number;
  /** Calls off its deadline. */
  cancel: () => void;
  isConnecting: boolean;
}

/**
 * Answers for InferenceServices without a ready replica, in every replica of the operator: it takes connections on the ports
 * that EndpointSlices name, holds them, wakes the InferenceService, and passes them on to the first replicas that are ready.
 * What is said on them it passes on as it is, HTTP, gRPC, and whatever comes; only clients of HTTP/2 hear the first word from it.
 */
export class Activator {
  readonly #options: ActivatorOptions;
  readonly #clock: Clock;
  readonly #listeners: PortListeners;
  readonly #entries = new Map<string, Entry>();
  readonly #stop = new AbortController();
  readonly #connections = new Set<HeldConnection>();

  constructor(options: ActivatorOptions) {
    const { network, logger, limits, clock = systemClock } = options;
    this.#options = options;
    this.#clock = clock;
    this.#listeners = new PortListeners({
      network,
      clock,
      logger,
      lingerMs: limits.lingerMs ?? 60_000,
      accept: (key, protocol, socket) => this.#accept(key, protocol, socket),
    });
  }

  /** Connections that wait for a replica, and all that there are. */
  counts(): { readonly held: number; readonly open: number } {
    let held = 0;
    for (const { waiting } of this.#entries.values()) held += waiting.size;
    return { held, open: this.#connections.size };
  }

  /** Listens on these ports for an InferenceService. False: they cannot be had. */
  listen(key: string, ports: ActivatorPorts): Promise<boolean> {
    return this.#listeners.open(key, ports);
  }

  isListening(key: string, ports: ActivatorPorts): boolean {
    return this.#listeners.isOpen(key, ports);
  }

  /** Whether it listens on all ports that slices name. */
  isComplete(): boolean {
    return this.#listeners.isComplete();
  }

  /** Ports that must not be given to this InferenceService. */
  blockedPorts(key: string): Set<number> {
    return this.#listeners.blockedFor(key);
  }

  /** Something about an InferenceService has changed: its slice, its replicas, itself. */
  changed(key: string): void {
    if (this.#stop.signal.aborted) return;
    const isvc = this.#options.world.inferenceService(key);
    const ports = isvc === undefined ? undefined : this.#portsFor(isvc);
    if (ports === undefined) this.#listeners.linger(key);
    else void this.#openOrTryAgain(key, ports);
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#serve(entry);
  }

  /**
   * Goes on for `listenMs`, as proxies still send connections here, then takes no more; resolves when those that there are
   * have ended, and ends them itself after another `finishMs`.
   */
  async close({ listenMs, finishMs }: { readonly listenMs: number; readonly finishMs: number }): Promise<void> {
    if (listenMs > 0) await sleep(this.#clock, listenMs, this.#stop.signal);
    this.#listeners.close();
    const done = Promise.withResolvers<void>();
    const cancel = this.#clock.schedule(finishMs, done.resolve);
    this.#drained = done.resolve;
    if (this.#connections.size === 0) done.resolve();
    await done.promise;
    cancel();
    this.#stop.abort(new Error("the operator stops"));
    for (const entry of this.#entries.values()) entry.wakeAgain?.();
    for (const connection of this.#connections) connection.drop();
  }

  #drained: (() => void) | undefined;

  async #openOrTryAgain(key: string, ports: ActivatorPorts): Promise<void> {
    if (await this.#listeners.open(key, ports)) return;
    this.#clock.schedule(LISTEN_AGAIN_MS, () => this.changed(key));
  }

  #portsFor({ metadata }: InferenceService): ActivatorPorts | undefined {
    const slice = this.#options.world.ownedBy(metadata.uid ?? "").find(({ kind }) => kind === "EndpointSlice");
    if (slice === undefined || slice.metadata.deletionTimestamp !== undefined) return undefined;
    return portsOf(slice as Partial<OwnedEndpointSlice>);
  }

  #accept(key: string, protocol: Protocol, socket: Socket): void {
    const { limits } = this.#options;
    if (this.#connections.size >= limits.maxConnections + MAX_REFUSED_AT_A_TIME) {
      socket.on("error", () => {});
      socket.resetAndDestroy();
      this.#options.observer.refused("tooMany");
      return;
    }
    const entry = this.#entryOf(key);
    const connection: HeldConnection = new HeldConnection(
      socket,
      {
        asked: () => {
          startDeadline();
          this.#serve(entry);
        },
        over: () => this.#forget(entry, waiting),
      },
      this.#clock,
    );
    const waiting: Waiting = { protocol, connection, sinceMs: 0, cancel: () => {}, isConnecting: false };
    const startDeadline = (): void => {
      waiting.cancel();
      waiting.sinceMs = this.#clock.nowMs();
      waiting.cancel = this.#clock.schedule(limits.deadlineMs, () => this.#refuse(entry, waiting, "deadline"));
    };
    startDeadline();
    this.#connections.add(connection);
    entry.waiting.add(waiting);
    if (this.#connections.size > limits.maxConnections || entry.waiting.size > limits.maxHeld)
      this.#refuse(entry, waiting, "tooMany");
    else this.#serve(entry);
  }

  #entryOf(key: string): Entry {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry = { key, waiting: new Set(), turn: 0, isWaking: false, wakeAgain: undefined };
    this.#entries.set(key, entry);
    return entry;
  }

  #forget(entry: Entry, waiting: Waiting): void {
    waiting.cancel();
    entry.waiting.delete(waiting);
    this.#connections.delete(waiting.connection);
    if (entry.waiting.size === 0) this.#dismiss(entry);
    if (this.#connections.size === 0) this.#drained?.();
  }

  /** Nobody waits any more. */
  #dismiss(entry: Entry): void {
    entry.wakeAgain?.();
    entry.wakeAgain = undefined;
    if (!entry.isWaking && this.#entries.get(entry.key) === entry) this.#entries.delete(entry.key);
  }

  #refuse(entry: Entry, waiting: Waiting, refusal: Refusal): void {
    if (!entry.waiting.delete(waiting)) return;
    waiting.cancel();
    if (waiting.connection.hasAsked || refusal !== "deadline") this.#options.observer.refused(refusal);
    waiting.connection.refuse(refusal);
    if (entry.waiting.size === 0) this.#dismiss(entry);
  }

  /** Passes on whoever can be, and wakes the InferenceService where nobody can. */
  #serve(entry: Entry): void {
    if (entry.waiting.size === 0 || this.#stop.signal.aborted) return;
    const isvc = this.#options.world.inferenceService(entry.key);
    if (isvc === undefined || isvc.spec.stop || isvc.metadata.deletionTimestamp !== undefined) {
      for (const waiting of entry.waiting) this.#refuse(entry, waiting, "stopped");
      return;
    }
    if (this.#targets(entry.key, isvc).length === 0) {
      this.#wake(entry, isvc);
      return;
    }
    entry.wakeAgain?.();
    entry.wakeAgain = undefined;
    for (const waiting of entry.waiting) if (!waiting.isConnecting) void this.#pass(entry, waiting, isvc);
  }

  /** Addresses of replicas that are ready and stay. */
  #targets(key: string, isvc: InferenceService): string[] {
    const { world } = this.#options;
    const deployment = world.ownedBy(isvc.metadata.uid ?? "").find(({ kind }) => kind === "Deployment");
    // Replicas that are still there are about to go.
    if (replicasOf(deployment) === 0) return [];
    return world
      .podsOf(key)
      .filter((pod) => pod.metadata.deletionTimestamp === undefined && isReady(pod))
      .map(({ status }) => status?.podIP)
      .filter((address) => address !== undefined);
  }

  async #pass(entry: Entry, waiting: Waiting, isvc: InferenceService): Promise<void> {
    const { network, observer } = this.#options;
    const targets = this.#targets(entry.key, isvc);
    const target = targets[entry.turn++ % targets.length];
    if (target === undefined) return;
    waiting.isConnecting = true;
    const replica = await tryConnect(network, target, waiting.protocol === "grpc" ? GRPC_PORT : HTTP_PORT);
    waiting.isConnecting = false;
    // Its client has gone, or it was refused.
    if (!entry.waiting.has(waiting)) {
      replica?.destroy();
      return;
    }
    if (replica === undefined) {
      // Nothing was sent yet: another replica, or the same one, may take it.
      this.#clock.schedule(CONNECT_AGAIN_MS, () => this.#serve(entry));
      return;
    }
    entry.waiting.delete(waiting);
    waiting.cancel();
    observer.passedOn(this.#clock.nowMs() - waiting.sinceMs);
    waiting.connection.passTo(replica);
    if (entry.waiting.size === 0) this.#dismiss(entry);
  }

  /** One at a time for each InferenceService; again and again, as it may be scaled to zero at the same moment. */
  #wake(entry: Entry, isvc: InferenceService): void {
    if (entry.isWaking || entry.wakeAgain !== undefined) return;
    if (![...entry.waiting].some(({ connection }) => connection.hasAsked)) return;
    entry.isWaking = true;
    void this.#tryToWake(entry, isvc);
  }

  async #tryToWake(entry: Entry, isvc: InferenceService): Promise<void> {
    const { wake, observer, logger } = this.#options;
    const { signal } = this.#stop;
    try {
      if (await wake(isvc, signal)) {
        observer.woken();
        logger.info({ inferenceService: entry.key }, "woken by a request");
      }
    } catch (error) {
      if (!signal.aborted)
        logger.warn({ inferenceService: entry.key, err: error }, "could not be woken, will be tried again");
    }
    entry.isWaking = false;
    if (entry.waiting.size === 0) {
      this.#dismiss(entry);
      return;
    }
    if (signal.aborted) return;
    entry.wakeAgain = this.#clock.schedule(WAKE_AGAIN_MS, () => {
      entry.wakeAgain = undefined;
      this.#serve(entry);
    });
  }
}

function replicasOf(deployment: DeploymentObject | undefined): number | undefined {
  return deployment?.spec?.replicas;
}
