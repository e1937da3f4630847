import type { Serving } from "../../common/admin-api.ts";
import { claimedRecord, nextEpoch, type EpochRecord } from "../../operator/rollout/epoch-record.ts";
import { beginSwitch, stepSwitch, type SwitchState } from "../../operator/rollout/switch-attempt.ts";
import { NEW_GATE, stepGate, type GateState } from "../../runtime/traffic/gate-state.ts";

/**
 * Explores what can happen between operators and replicas, with the very state machines that they run: every order of
 * events up to a depth. Messages arrive late, twice or never, answers get lost, writes happen after nobody waits for them any
 * more, fences run out, processes end and start, and an operator that has lost the lead goes on as if it had not.
 */
export interface Machines {
  readonly stepGate: typeof stepGate;
  readonly stepSwitch: typeof stepSwitch;
  /** Whether a write needs the record to be the one that was read. */
  readonly comparesBeforeSwap: boolean;
  /** Whether the record is read again before a replica is told to serve. */
  readonly readsBeforeServe: boolean;
}

/** The state machines as they are. */
export const MACHINES: Machines = { stepGate, stepSwitch, comparesBeforeSwap: true, readsBeforeServe: true };

/** How much may happen. */
export interface Bounds {
  readonly depth: number;
  readonly replicas: number;
  readonly operators: number;
  readonly switches: number;
  readonly claims: number;
  readonly restarts: number;
  readonly crashes: number;
  readonly duplicates: number;
}

/** What an exploration has found. */
export interface Exploration {
  readonly states: number;
  /** The events that lead to a replica which may answer with an epoch that a later one has replaced. */
  readonly violation: readonly string[] | undefined;
}

type Command =
  { readonly kind: "fence" } | { readonly kind: "serve"; readonly epoch: number; readonly serving: Serving };

interface Message {
  readonly from: number;
  /** Of the operator's attempt to switch that waits for the answer; 0 for none. */
  readonly attempt: number;
  readonly to: number;
  readonly instance: number;
  readonly term: number;
  readonly number: number;
  readonly command: Command;
}

interface Write {
  readonly from: number;
  readonly attempt: number;
  readonly before: number;
  readonly record: EpochRecord;
}

interface Operator {
  readonly identity: number;
  /** As it was last read or written, and whether it is certain. */
  readonly known: { readonly record: EpochRecord; readonly resourceVersion: number } | undefined;
  readonly isCertain: boolean;
  readonly number: number;
  readonly attempts: number;
  readonly attempt:
    | {
        readonly id: number;
        readonly state: SwitchState;
        readonly next: EpochRecord;
        readonly instances: readonly number[];
      }
    | undefined;
}

interface Replica {
  readonly instance: number;
  readonly gate: GateState;
}

interface World {
  readonly record: EpochRecord;
  readonly resourceVersion: number;
  readonly operators: readonly Operator[];
  readonly replicas: readonly Replica[];
  readonly messages: readonly Message[];
  readonly writes: readonly Write[];
  /** The greatest epoch that anybody can have been answered with. */
  readonly answered: number;
  readonly left: Omit<Bounds, "depth" | "replicas" | "operators">;
}

const SOURCE = "s";
const serving = (version: number): Serving => ({ version, labels: {} });

/** Searches, breadth first, for the shortest way to a violation. */
export function explore(bounds: Bounds, machines: Machines = MACHINES): Exploration {
  const first = firstWorld(bounds);
  const seen = new Set([keyOf(first)]);
  let front: { readonly world: World; readonly way: Way | undefined }[] = [{ world: first, way: undefined }];
  for (let depth = 0; depth < bounds.depth && front.length > 0; depth++) {
    const next: typeof front = [];
    for (const { world, way } of front) {
      for (const [event, after] of successors(world, machines)) {
        const settled = withAnswers(after);
        if (settled === undefined)
          return { states: seen.size, violation: [...eventsOf(way), event, JSON.stringify(after.replicas)] };
        const key = keyOf(settled);
        if (seen.has(key)) continue;
        seen.add(key);
        next.push({ world: settled, way: { event, before: way } });
      }
    }
    front = next;
  }
  return { states: seen.size, violation: undefined };
}

interface Way {
  readonly event: string;
  readonly before: Way | undefined;
}

function eventsOf(way: Way | undefined): string[] {
  const events: string[] = [];
  for (let one = way; one !== undefined; one = one.before) events.unshift(one.event);
  return events;
}

/** The first operator leads and has brought all replicas to epoch 1. */
function firstWorld({ depth: _depth, replicas, operators, ...left }: Bounds): World {
  const record: EpochRecord = { epoch: 1, term: 1, holder: "0", source: SOURCE, serving: serving(1) };
  return {
    record,
    resourceVersion: 1,
    operators: Array.from({ length: operators }, (_, index) => ({
      identity: index,
      known: index === 0 ? { record, resourceVersion: 1 } : undefined,
      isCertain: index === 0,
      number: 10,
      attempts: 0,
      attempt: undefined,
    })),
    replicas: Array.from({ length: replicas }, () => ({
      instance: 1,
      gate: { kind: "Serving", last: { term: 1, number: 1 }, epoch: 1, serving: serving(1) },
    })),
    messages: [],
    writes: [],
    answered: 1,
    left,
  };
}

/** Every replica that may answer is taken to do so. Undefined: one of them would answer with what was replaced. */
function withAnswers(world: World): World | undefined {
  let { answered } = world;
  for (const { gate } of world.replicas) if (gate.kind === "Serving") answered = Math.max(answered, gate.epoch);
  const isOld = world.replicas.some(({ gate }) => gate.kind === "Serving" && gate.epoch < answered);
  return isOld ? undefined : { ...world, answered };
}

function* successors(world: World, machines: Machines): Generator<readonly [string, World]> {
  for (const [index, operator] of world.operators.entries()) yield* ofOperator(world, index, operator, machines);
  for (const [index, replica] of world.replicas.entries()) yield* ofReplica(world, index, replica, machines);
  for (const message of world.messages) yield* ofMessage(world, message, machines);
  for (const write of world.writes) yield* ofWrite(world, write, machines);
}

function* ofOperator(
  world: World,
  index: number,
  operator: Operator,
  machines: Machines,
): Generator<readonly [string, World]> {
  const { left } = world;
  const { attempt, known } = operator;
  const name = `operator ${index}`;
  if (left.crashes > 0) {
    const anew: Operator = {
      identity: operator.identity + 10,
      known: undefined,
      isCertain: false,
      number: 0,
      attempts: operator.attempts,
      attempt: undefined,
    };
    yield [`${name} crashes`, withOperator({ ...world, left: { ...left, crashes: left.crashes - 1 } }, index, anew)];
  }
  if (attempt !== undefined) {
    if (attempt.state.kind === "fencing")
      yield [`${name} gives up waiting`, happen(world, index, { kind: "late" }, machines)];
    if (attempt.state.kind === "writing")
      yield [`${name} hears nothing of its write`, happen(world, index, { kind: "writeUnknown" }, machines)];
    return;
  }
  if (!operator.isCertain && left.claims > 0) {
    const record = claimedRecord(world.record, String(operator.identity), SOURCE, { epoch: 0, term: 0 });
    const write: Write = { from: index, attempt: 0, before: world.resourceVersion, record };
    const claiming = { ...operator, known: { record, resourceVersion: -1 } };
    yield [
      `${name} claims`,
      withOperator(
        { ...world, writes: [...world.writes, write], left: { ...left, claims: left.claims - 1 } },
        index,
        claiming,
      ),
    ];
  }
  // One that does not know yet that another has claimed goes on; one that lost the lead claims only when it is asked to.
  if (operator.isCertain && left.claims > 0)
    yield [`${name} is in doubt`, withOperator(world, index, { ...operator, isCertain: false })];
  if (!operator.isCertain || known === undefined) return;
  if (left.switches > 0) yield [`${name} begins to switch`, begin(world, index, operator, known.record)];
  const isRead = !machines.readsBeforeServe || known.resourceVersion === world.resourceVersion;
  if (!isRead) return;
  const instances = world.replicas.map(({ instance }) => instance);
  for (const [to, { gate }] of world.replicas.entries()) {
    if (gate.kind === "Serving" && gate.epoch >= known.record.epoch) continue;
    const command: Command = { kind: "serve", epoch: known.record.epoch, serving: known.record.serving ?? serving(0) };
    yield [
      `${name} tells ${to} to serve epoch ${known.record.epoch}`,
      send(world, { from: index, attempt: 0, to: [to], instances }, command),
    ];
  }
}

function begin(world: World, index: number, operator: Operator, record: EpochRecord): World {
  const next = nextEpoch(record, SOURCE, serving(record.epoch + 1));
  const ids = world.replicas.map((_, id) => String(id));
  const step = beginSwitch(ids, true);
  const id = operator.attempts + 1;
  const attempt = { id, state: step.state, next, instances: world.replicas.map(({ instance }) => instance) };
  const left = { ...world.left, switches: world.left.switches - 1 };
  const begun = withOperator({ ...world, left }, index, { ...operator, attempts: id, attempt });
  return perform(begun, index, step.effects);
}

function happen(world: World, index: number, event: Parameters<typeof stepSwitch>[1], machines: Machines): World {
  const operator = at(world.operators, index);
  const { attempt } = operator;
  if (attempt === undefined) return world;
  const step = machines.stepSwitch(attempt.state, event);
  const { kind } = step.state;
  const isOver = kind === "committed" || kind === "aborted" || kind === "unknown";
  const isLost = kind === "unknown" || (step.state.kind === "aborted" && step.state.because.kind === "RecordChanged");
  const after = perform(
    withOperator(world, index, { ...operator, attempt: { ...attempt, state: step.state } }),
    index,
    step.effects,
  );
  if (!isOver) return after;
  const over = at(after.operators, index);
  return withOperator(after, index, { ...over, attempt: undefined, isCertain: over.isCertain && !isLost });
}

function perform(world: World, index: number, effects: ReturnType<typeof stepSwitch>["effects"]): World {
  return effects.reduce((after, effect) => {
    const { attempt, known } = at(after.operators, index);
    if (attempt === undefined || known === undefined) return after;
    if (effect.kind === "writeRecord") {
      const write: Write = { from: index, attempt: attempt.id, before: known.resourceVersion, record: attempt.next };
      return withWrite(after, write);
    }
    const { instances } = attempt;
    const to = effect.replicas.map(Number);
    if (effect.kind === "fence")
      return send(after, { from: index, attempt: attempt.id, to, instances }, { kind: "fence" });
    const record = effect.which === "next" ? attempt.next : known.record;
    const command: Command = { kind: "serve", epoch: record.epoch, serving: record.serving ?? serving(0) };
    return send(after, { from: index, attempt: 0, to, instances }, command);
  }, world);
}

function send(
  world: World,
  {
    from,
    attempt,
    to,
    instances,
  }: {
    readonly from: number;
    readonly attempt: number;
    readonly to: readonly number[];
    readonly instances: readonly number[];
  },
  command: Command,
): World {
  const operator = at(world.operators, from);
  const term = operator.known?.record.term ?? 0;
  const messages = to.map((replica, offset): Message => ({
    from,
    attempt,
    to: replica,
    instance: instances[replica] ?? 0,
    term,
    number: operator.number + 1 + offset,
    command,
  }));
  return withOperator({ ...world, messages: [...world.messages, ...messages] }, from, {
    ...operator,
    number: operator.number + to.length,
  });
}

function* ofReplica(
  world: World,
  index: number,
  { instance, gate }: Replica,
  machines: Machines,
): Generator<readonly [string, World]> {
  if (gate.kind === "Fenced") {
    const { state } = machines.stepGate(gate, { kind: "expired", nowMs: gate.untilMs });
    yield [`the fence of ${index} runs out`, withReplica(world, index, { instance, gate: state })];
  }
  if (world.left.restarts > 0) {
    const left = { ...world.left, restarts: world.left.restarts - 1 };
    yield [
      `replica ${index} restarts`,
      withReplica({ ...world, left }, index, { instance: instance + 1, gate: NEW_GATE }),
    ];
  }
}

function* ofMessage(world: World, message: Message, machines: Machines): Generator<readonly [string, World]> {
  const { from, to, instance, term, number, command } = message;
  const replica = at(world.replicas, to);
  const words = `${command.kind} ${command.kind === "serve" ? command.epoch : ""} of term ${term}.${number} reaches ${to}`;
  const gone: World = { ...world, messages: world.messages.filter((one) => one !== message) };
  const isMeant = replica.instance === instance;
  const order = { term, number };
  const step = !isMeant
    ? { state: replica.gate, refused: true }
    : machines.stepGate(
        replica.gate,
        command.kind === "fence"
          ? { kind: "fence", order, nowMs: 0, ttlMs: 1 }
          : { kind: "serve", order, epoch: command.epoch, serving: command.serving, isPrepared: true },
      );
  const done = withReplica(gone, to, { instance: replica.instance, gate: step.state });
  const operator = at(done.operators, from);
  const isAwaited = message.attempt !== 0 && operator.attempt?.id === message.attempt;
  // An answer that gets lost is like one that comes when nobody waits for it any more.
  yield [`${words}, its answer gets lost`, done];
  if (isAwaited) {
    const kind = step.refused === undefined ? "fenced" : "notFenced";
    yield [words, happen(done, from, { kind, replica: String(to) }, machines)];
  }
  if (world.left.duplicates > 0) {
    const left = { ...world.left, duplicates: world.left.duplicates - 1 };
    yield [`${words}, and will again`, { ...done, messages: world.messages, left }];
  }
}

function* ofWrite(world: World, write: Write, machines: Machines): Generator<readonly [string, World]> {
  const gone: World = { ...world, writes: world.writes.filter((one) => one !== write) };
  const isTaken = !machines.comparesBeforeSwap || write.before === world.resourceVersion;
  const resourceVersion = world.resourceVersion + 1;
  const after: World = isTaken ? { ...gone, record: write.record, resourceVersion } : gone;
  const words = `epoch ${write.record.epoch} of term ${write.record.term} by operator ${write.from} is ${isTaken ? "written" : "refused"}`;
  yield [`${words}, which nobody hears`, after];
  const operator = at(after.operators, write.from);
  const isWaiting =
    write.attempt === 0
      ? operator.known?.record === write.record && !operator.isCertain
      : operator.attempt?.id === write.attempt && operator.attempt.state.kind === "writing";
  if (!isWaiting) return;
  const known = { record: write.record, resourceVersion };
  if (write.attempt === 0) {
    const claimed: Operator = { ...operator, known, isCertain: true, number: 0 };
    if (isTaken) yield [words, withOperator(after, write.from, claimed)];
    return;
  }
  const told = isTaken ? withOperator(after, write.from, { ...operator, known }) : after;
  yield [words, happen(told, write.from, { kind: isTaken ? "written" : "writeRefused" }, machines)];
}

function withWrite(world: World, write: Write): World {
  return { ...world, writes: [...world.writes, write] };
}

function withOperator(world: World, index: number, operator: Operator): World {
  return { ...world, operators: world.operators.with(index, operator) };
}

function withReplica(world: World, index: number, replica: Replica): World {
  return { ...world, replicas: world.replicas.with(index, replica) };
}

function at<T>(all: readonly T[], index: number): T {
  const found = all[index];
  if (found === undefined) throw new Error(`there is no number ${index}`);
  return found;
}

function keyOf(world: World): string {
  return JSON.stringify(world, (_, value: unknown) => (value instanceof Set ? [...(value as Set<unknown>)] : value));
}
