import { randomUUID } from "node:crypto";
import type { ReplicaState } from "../../common/admin-api.ts";
import { ADMIN_PORT } from "../../common/ports.ts";
import { startAdminServer, type AdminServer } from "../../runtime/admin/admin-server.ts";
import { carryOut } from "../../runtime/admin/replica-commands.ts";
import { Revision } from "../../runtime/admin/revision.ts";
import { NEW_GATE, stepGate, type GateState } from "../../runtime/traffic/gate-state.ts";

/** The load of a replica that nobody asks anything. */
const IDLE = { inFlight: 0, requests: 0, refused: 0, inFlightMs: 0, queueMs: 0, queued: 0, computeMs: 0 } as const;

/**
 * A replica as far as the operator sees one: the runtime's own admin server and gate, over a model whose versions 1 and 2 are loaded as soon as it is told to.
 */
export class SimulatedReplica {
  readonly #model: string;
  readonly #onChange: () => void;
  readonly #instance = randomUUID();
  readonly #revision = new Revision();
  #gate: GateState = NEW_GATE;
  #versions: readonly number[] = [];
  #server: AdminServer | undefined;

  /** `onChange` is called when it becomes, or is no longer, ready. */
  constructor(model: string, onChange: () => void) {
    this.#model = model;
    this.#onChange = onChange;
  }

  /** A fence is too short for anybody to see the replica as not ready. */
  get isReady(): boolean {
    return this.#gate.kind === "Serving" || this.#gate.kind === "Fenced";
  }

  /** Listens on the replicas' admin port of an address. */
  async listen(host: string): Promise<void> {
    this.#server = await startAdminServer({
      host,
      port: ADMIN_PORT,
      revision: this.#revision,
      report: () => ({ instance: this.#instance, revision: this.#revision.count, state: this.#state() }),
      rebalance: () => {},
      takeOutcomes: () => Promise.resolve(),
      assignReference: () => false,
      profile: () => undefined,
      monitoring: () => ({ instance: this.#instance, takenAtMs: performance.now(), models: [] }),
      load: () => ({ ...IDLE, instance: this.#instance, takenAtMs: performance.now() }),
      carryOut: (command) =>
        carryOut(command, {
          instance: this.#instance,
          now: () => performance.now(),
          model: (name) =>
            name === this.#model
              ? {
                  tell: (event) => {
                    const { state, refused } = stepGate(this.#gate, event);
                    this.#gate = state;
                    this.#changed();
                    return refused;
                  },
                  aspire: ({ versions }) => {
                    this.#versions = versions.map(({ version }) => version);
                    this.#changed();
                  },
                  isPrepared: ({ version }) => this.#versions.includes(version),
                }
              : undefined,
        }),
      // Whoever signs is the operator: to check it would be the replica's work, which is not what is measured.
      operatorKeys: { verify: () => true },
    });
  }

  async close(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #changed(): void {
    this.#revision.raise();
    this.#onChange();
  }

  #state(): ReplicaState {
    const gate = this.#gate;
    return {
      phase: this.isReady ? "Ready" : "Starting",
      models: [
        {
          name: this.#model,
          ...(gate.kind === "Serving" && { activeVersion: gate.serving.version }),
          versions: this.#versions.map((version) => ({
            version,
            state: "Available",
            digest: "sha256:0",
            sizeBytes: 1,
          })),
          gate: {
            kind: gate.kind,
            term: gate.last.term,
            held: 0,
            ...(gate.kind !== "Unjoined" && { epoch: gate.epoch }),
          },
          listed: [1, 2],
        },
      ],
    };
  }
}
