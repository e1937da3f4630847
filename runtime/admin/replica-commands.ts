import type { CommandRefusal, ReplicaCommand, Serving } from "../../common/admin-api.ts";
import type { Aspiration } from "../core/aspiration.ts";
import type { GateEvent, GateStep } from "../traffic/gate-state.ts";

/** A model whose versions the operator switches, as far as commands are concerned. */
export interface CommandedModel {
  /** Moves the gate; undefined, or why not. */
  tell(event: GateEvent): GateStep["refused"];
  aspire(aspiration: Aspiration): void;
  /** Whether the version and those of the labels are loaded, and the files are the ones that are meant. */
  isPrepared(serving: Serving): boolean;
}

/** What carries out commands needs. */
export interface CommandTarget {
  /** Drawn by this process. */
  readonly instance: string;
  /** Undefined for a model that is not here, or that switches by itself. */
  readonly model: (name: string) => CommandedModel | undefined;
  readonly now: () => number;
}

/** Does what the operator says. Returns why it was not done, or undefined. */
export function carryOut(command: ReplicaCommand, target: CommandTarget): Omit<CommandRefusal, "report"> | undefined {
  if (command.instance !== target.instance)
    return { refused: "OtherInstance", message: "the process that was meant is gone" };
  const model = target.model(command.model);
  if (model === undefined)
    return { refused: "UnknownModel", message: "no such model is switched by the operator here" };
  const refused = model.tell(eventOf(command, model, target));
  if (refused !== undefined) return { refused: refused.why, message: refused.message };
  if (command.kind === "prepare") {
    const { versions, pollIntervalMs } = command;
    const suiting = versions.find(({ compatibleWith }) => compatibleWith !== undefined);
    model.aspire({
      versions: versions.map(({ version, digest }) => ({ version, ...(digest !== undefined && { digest }) })),
      pollIntervalMs,
      ...(suiting?.compatibleWith !== undefined && {
        suiting: { version: suiting.version, clientsOf: suiting.compatibleWith },
      }),
    });
  }
  return undefined;
}

function eventOf(command: ReplicaCommand, model: CommandedModel, { now }: CommandTarget): GateEvent {
  const order = { term: command.term, number: command.number };
  switch (command.kind) {
    case "prepare":
      return { kind: "prepare", order };
    case "fence":
      return { kind: "fence", order, nowMs: now(), ttlMs: command.ttlMs };
    case "serve": {
      const { epoch, serving } = command;
      return { kind: "serve", order, epoch, serving, isPrepared: model.isPrepared(serving) };
    }
    default:
      return command satisfies never;
  }
}
