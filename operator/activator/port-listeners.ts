import type { Socket } from "node:net";
import type { Logger } from "../../common/logger.ts";
import type { Clock } from "../controller/clock.ts";
import type { ActivatorPorts } from "../sleep/port-allocation.ts";
import type { ActivatorListener, ActivatorNetwork } from "./network.ts";

export type Protocol = keyof ActivatorPorts;

export interface PortListenersOptions {
  readonly network: ActivatorNetwork;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How long, in ms, a port is still listened on when nobody should come any more. */
  readonly lingerMs: number;
  readonly accept: (key: string, protocol: Protocol, socket: Socket) => void;
}

interface Door {
  readonly key: string;
  readonly ports: ActivatorPorts;
  listeners: readonly ActivatorListener[];
  /** Resolves when it is open: whether it could be opened. */
  readonly opened: Promise<boolean>;
  isOpen: boolean;
  isShut: boolean;
  /** Calls off that it is shut; undefined while it is wanted. */
  stay: (() => void) | undefined;
}

/** The ports on which this operator answers, each for one InferenceService. */
export class PortListeners {
  readonly #options: PortListenersOptions;
  /** By key; those that are no longer wanted are among them for a while. */
  readonly #doors = new Map<string, Door>();
  /** Ports that could not be had a moment ago. */
  readonly #refused = new Set<number>();

  constructor(options: PortListenersOptions) {
    this.#options = options;
  }

  /** Listens for an InferenceService, on these ports alone. False: they cannot be had. */
  async open(key: string, ports: ActivatorPorts): Promise<boolean> {
    const known = this.#doors.get(key);
    if (known !== undefined && known.ports.http === ports.http && known.ports.grpc === ports.grpc) {
      known.stay?.();
      known.stay = undefined;
      return known.opened;
    }
    if (known !== undefined) this.#shut(known);
    // Whoever had them before lingers at most: these are given away by now.
    for (const door of this.#doors.values()) if (overlaps(door.ports, ports)) this.#shut(door);
    const door: Door = {
      key,
      ports,
      listeners: [],
      opened: Promise.resolve().then(() => this.#listen(door)),
      isOpen: false,
      isShut: false,
      stay: undefined,
    };
    this.#doors.set(key, door);
    return door.opened;
  }

  /** Whether it listens on just these ports, and is wanted to. */
  isOpen(key: string, ports: ActivatorPorts): boolean {
    const door = this.#doors.get(key);
    return door !== undefined && door.isOpen && door.ports.http === ports.http && door.ports.grpc === ports.grpc;
  }

  /** Nobody should come any more: listens for a while for those who do. */
  linger(key: string): void {
    const door = this.#doors.get(key);
    if (door === undefined || door.stay !== undefined) return;
    door.stay = this.#options.clock.schedule(this.#options.lingerMs, () => this.#shut(door));
  }

  /** Ports that only this InferenceService may be given: others have them, or they cannot be had. */
  blockedFor(key: string): Set<number> {
    const others = [...this.#doors.values()].filter((door) => door.key !== key);
    return new Set([...this.#refused, ...others.flatMap(({ ports }) => [ports.http, ports.grpc])]);
  }

  /** Whether all ports that are wanted are listened on. */
  isComplete(): boolean {
    return [...this.#doors.values()].every(({ isOpen }) => isOpen);
  }

  close(): void {
    for (const door of this.#doors.values()) this.#shut(door);
  }

  async #listen(door: Door): Promise<boolean> {
    const { network, logger, accept, lingerMs } = this.#options;
    for (const protocol of ["http", "grpc"] as const) {
      const port = door.ports[protocol];
      if (door.isShut) return false;
      try {
        const listener = await network.listen(port, (socket) => accept(door.key, protocol, socket));
        if (door.isShut) {
          listener.close();
          return false;
        }
        door.listeners = [...door.listeners, listener];
      } catch (error) {
        logger.warn({ inferenceService: door.key, port, err: error }, "activator cannot listen on a port");
        this.#refused.add(port);
        this.#options.clock.schedule(lingerMs, () => this.#refused.delete(port));
        this.#shut(door);
        return false;
      }
    }
    door.isOpen = true;
    return true;
  }

  #shut(door: Door): void {
    door.isShut = true;
    door.isOpen = false;
    door.stay?.();
    for (const listener of door.listeners) listener.close();
    door.listeners = [];
    if (this.#doors.get(door.key) === door) this.#doors.delete(door.key);
  }
}

function overlaps(a: ActivatorPorts, b: ActivatorPorts): boolean {
  return [a.http, a.grpc].some((port) => port === b.http || port === b.grpc);
}
