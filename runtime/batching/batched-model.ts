import type { BatcherConfig } from "../../common/runtime-config.ts";
import { ArrivalList, ListEntry } from "../core/arrival-list.ts";
import type { Clock } from "../core/clock.ts";
import type {
  Arrival,
  HandOver,
  InferenceRequest,
  InferenceResult,
  LoadedModel,
  ModelExecution,
} from "../core/servable.ts";
import type { Signature } from "../core/tensor.ts";
import { ServingError } from "../errors.ts";
import { BatchCosts, type RunCost } from "./batch-costs.ts";
import { BatchShape } from "./batch-shape.ts";
import { answerAll, answerPiece, answerWhole, inputsOf } from "./batch-tensors.ts";
import type { RunningWork } from "./expected-wait.ts";
import { planBatch } from "./plan-batch.ts";
import { QueueGuard } from "./queue-guard.ts";
import { RequestQueue, type Batch, type Lane } from "./request-queue.ts";
import { findMisfit, findUnlike, outputsOf } from "./run-outputs.ts";
import { WaitingRequest } from "./waiting-request.ts";

/** What is known of a model whose rows may be run together. */
export interface BatchKnowledge {
  /** The largest run that was found to answer, at most as configured. */
  readonly maxRows: number;
  /** Runs that were measured, for requests of the shapes that `key` ({@link BatchShape.keyOf}) stands for. */
  readonly key: string;
  readonly costs: readonly RunCost[];
}

/** How requests are queued and run together. */
export interface BatchedModelOptions {
  readonly limits: BatcherConfig;
  /** Undefined: requests are run one by one. */
  readonly batching: BatchKnowledge | undefined;
  readonly clock: Clock;
  /** Calls back when all that has arrived by now has been read, such as setImmediate: the batch of an engine that was free. */
  readonly afterTurn: (callback: () => void) => void;
  /** Told, at most once, that a run showed that rows cannot be run together after all, and how. */
  readonly onUnbatchable?: (why: string) => void;
}

/**
 * Puts a queue before a model, bounded and by priority, and runs together what can be. It takes the model over. Requests
 * fail one by one: a run of many that fails is split until those are found whose fault it is.
 */
export function createBatchedModel(model: LoadedModel, options: BatchedModelOptions): LoadedModel {
  return new BatchedModel(model, options);
}

/** A run that has not ended. */
class RunningBatch extends ListEntry implements RunningWork {
  readonly batch: Batch;
  readonly rows: number;
  readonly rowCostMs: number;
  readonly startMs: number;

  constructor(batch: Batch, startMs: number) {
    super();
    this.batch = batch;
    this.rows = batch.rows;
    this.rowCostMs = batch.lane.rowCostMs;
    this.startMs = startMs;
  }
}

class BatchedModel implements LoadedModel {
  readonly signature: Signature;
  readonly #model: LoadedModel;
  readonly #options: BatchedModelOptions;
  readonly #shape: BatchShape;
  readonly #queue: RequestQueue;
  readonly #guard: QueueGuard;
  /** Parts of runs that have failed, to be run before anything else. */
  readonly #retries: Batch[] = [];
  readonly #running = new ArrivalList<RunningBatch>();
  #batching: BatchKnowledge | undefined;
  #execution: ModelExecution;
  #nextOrder = 0;
  #isTurnPending = false;
  #timer: { readonly atMs: number; readonly end: AbortController } | undefined;
  #closed: ServingError | undefined;

  constructor(model: LoadedModel, options: BatchedModelOptions) {
    this.signature = model.signature;
    this.#model = model;
    this.#options = options;
    this.#batching = options.batching;
    this.#shape = new BatchShape(model.signature);
    this.#queue = new RequestQueue((key) => costsFor(key, options.batching, this.#execution.handOver));
    this.#execution = model.execution();
    this.#guard = new QueueGuard({
      queue: this.#queue,
      maxQueue: options.limits.maxQueue,
      now: () => options.clock.now(),
      running: () => this.#running,
      instances: () => this.#execution.instances,
      dispatch: () => this.#dispatch(),
    });
  }

  execution(): ModelExecution {
    const execution = this.#model.execution();
    if (this.#batching === undefined) return execution;
    const bestBatchSize =
      this.#queue.lastCapRows ?? costsFor(this.#batching.key, this.#batching, execution.handOver).bestRows;
    return { ...execution, batching: { maxBatchSize: this.#options.limits.maxBatchSize, bestBatchSize } };
  }

  infer(request: InferenceRequest, signal: AbortSignal | undefined): Promise<InferenceResult> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(signal.reason);
      const { priority, inputs } = request;
      // What it throws rejects the promise.
      if (this.#closed !== undefined) throw this.#closed;
      this.#guard.makeRoom(priority);
      const rows = this.#batching === undefined ? undefined : this.#shape.rowsOf(inputs);
      const lane = rows === undefined ? this.#queue.alone : this.#queue.laneOf(this.#shape.keyOf(inputs));
      this.#guard.checkDeadline(request, (rows ?? 1) * lane.rowCostMs);
      const waiting = new WaitingRequest({
        request,
        signal,
        rows: rows ?? 1,
        order: this.#nextOrder++,
        arrivalMs: this.#options.clock.now(),
        onAbort: this.#withdraw,
        resolve,
        reject,
      });
      this.#queue.push(waiting, lane);
      this.#arrived(lane);
    });
  }

  checkRoom(arrival: Arrival = {}): void {
    if (this.#closed !== undefined) throw this.#closed;
    this.#guard.check(arrival);
  }

  /** Lets runs end, rejects all that wait, and disposes of the model. */
  async [Symbol.asyncDispose](): Promise<void> {
    const closed = (this.#closed ??= new ServingError("Unavailable", "the model is being unloaded"));
    this.#timer?.end.abort();
    for (const request of this.#queue.drain()) request.reject(closed);
    for (const { members } of this.#retries.splice(0)) rejectAll(members, closed);
    await this.#model[Symbol.asyncDispose]();
    for (const { batch } of this.#running) rejectAll(batch.members, closed);
  }

  readonly #withdraw = (request: WaitingRequest): void => this.#queue.remove(request);

  readonly #turned = (): void => {
    this.#isTurnPending = false;
    this.#dispatch();
  };

  #arrived(lane: Lane): void {
    const runs = this.#queue.runsInFlight;
    const { instances, placement } = this.#execution;
    if (runs >= instances + (placement === "Worker" ? 1 : 0)) return;
    // Nobody could join a full run, so there is nothing to wait for.
    if (lane.rows >= lane.capRows) this.#dispatch();
    else if (runs < instances) this.#dispatchAfterTurn();
  }

  #dispatchAfterTurn(): void {
    if (this.#isTurnPending) return;
    this.#isTurnPending = true;
    this.#options.afterTurn(this.#turned);
  }

  #dispatch(): void {
    if (this.#closed !== undefined) return;
    this.#execution = this.#model.execution();
    const { instances, placement } = this.#execution;
    const { maxLatencyMs } = this.#options.limits;
    const limits = { instances, mayRunAhead: placement === "Worker", maxLatencyMs };
    for (;;) {
      if (this.#queue.runsInFlight < instances && this.#retries.length > 0) {
        this.#start(this.#retries.shift());
        continue;
      }
      const plan = planBatch(this.#queue, limits, this.#options.clock.now());
      if (plan.kind === "dispatch") this.#start(this.#queue.take(plan.lane, plan.leader));
      else return plan.kind === "wait" ? this.#dispatchAt(plan.untilMs) : undefined;
    }
  }

  #dispatchAt(atMs: number): void {
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.end.abort();
    this.#timer = { atMs, end: new AbortController() };
    void this.#dispatchAtEndOf(this.#timer);
  }

  async #dispatchAtEndOf(timer: { readonly atMs: number; readonly end: AbortController }): Promise<void> {
    const { clock } = this.#options;
    await clock.wait(timer.atMs - clock.now(), timer.end.signal);
    if (this.#timer !== timer) return;
    this.#timer = undefined;
    this.#dispatch();
  }

  #start(batch: Batch | undefined): void {
    const live = batch === undefined ? undefined : withoutSettled(batch);
    if (live !== undefined) void this.#run(live);
  }

  async #run(batch: Batch): Promise<void> {
    const outputs = outputsOf(batch.members);
    const startMs = this.#options.clock.now();
    for (const member of batch.members) member.dispatchMs ??= startMs;
    this.#queue.runsInFlight++;
    const running = new RunningBatch(batch, startMs);
    this.#running.push(running);
    let settle: () => void;
    try {
      const result = await this.#model.infer({ inputs: inputsOf(batch), outputs }, undefined);
      settle = this.#succeeded(batch, outputs, result);
    } catch (error) {
      settle = this.#failed(batch, error);
    }
    this.#queue.runsInFlight--;
    this.#running.remove(running);
    // The engine gets its next run before the answers of this one are written; on this very thread they would only be
    // held up by it, and requests that have arrived meanwhile can still join.
    if (this.#execution.placement === "Worker") this.#dispatch();
    else if (!this.#queue.isEmpty || this.#retries.length > 0) this.#dispatchAfterTurn();
    try {
      settle();
    } catch (error) {
      rejectAll(batch.members, error);
    }
  }

  #succeeded(batch: Batch, ran: readonly string[], result: InferenceResult): () => void {
    const { lane, members, rows, piece } = batch;
    if (lane.costs === undefined) {
      lane.observe({ rows, computeMs: result.timing.computeMs }, undefined);
      return () => answerWhole(batch, result);
    }
    if (members.length > 1 || piece !== undefined) {
      const why = whyUnbatched(batch, result);
      if (why !== undefined) this.#giveUpBatching(why);
      if (this.#batching === undefined) {
        for (const member of members) if (piece === undefined || member.cut === piece.cut) this.#runAlone(member);
        return () => undefined;
      }
    }
    lane.observe({ rows, computeMs: result.timing.computeMs }, this.#execution.handOver);
    if (piece !== undefined) return () => answerPiece(batch, result);
    return members.length === 1 ? () => answerWhole(batch, result) : () => answerAll(batch, ran, result);
  }

  #failed({ lane, members }: Batch, error: unknown): () => void {
    if (members.length === 1 || !isFaultOfOne(error)) {
      for (const member of members) this.#queue.remove(member);
      return () => rejectAll(members, error);
    }
    const closed = this.#closed;
    // Whose fault it is, nobody can find out any more.
    if (closed !== undefined) return () => rejectAll(members, closed);
    const middle = members.length >> 1;
    for (const part of [members.slice(middle), members.slice(0, middle)])
      this.#retries.unshift({ lane, members: part, rows: rowsOf(part), piece: undefined });
    return () => undefined;
  }

  /** From now on every request is run by itself, in the order in which they came. */
  #giveUpBatching(why: string): void {
    if (this.#batching === undefined) return;
    this.#batching = undefined;
    for (const request of this.#queue.drain()) {
      request.cut = undefined;
      this.#queue.push(request, this.#queue.alone);
    }
    this.#options.onUnbatchable?.(why);
  }

  #runAlone(member: WaitingRequest): void {
    member.cut = undefined;
    if (this.#closed !== undefined) return member.reject(this.#closed);
    this.#retries.push({ lane: this.#queue.alone, members: [member], rows: member.rows, piece: undefined });
  }
}

function costsFor(key: string, batching: BatchKnowledge | undefined, handOver: HandOver | undefined): BatchCosts {
  if (batching === undefined) return new BatchCosts(1);
  const measured = batching.costs.map(({ rows }) => rows);
  const costs = new BatchCosts(batching.maxRows, measured.length === 0 ? undefined : Math.max(...measured));
  for (const cost of batching.costs) costs.observe(cost, handOver);
  // Of other shapes it is only known where to begin.
  return key === batching.key ? costs : new BatchCosts(batching.maxRows, costs.bestRows);
}

/** What shows that the rows of a run do not stand for themselves; undefined if nothing does. */
function whyUnbatched({ rows, piece }: Batch, { outputs }: InferenceResult): string | undefined {
  const misfit = findMisfit(outputs, rows);
  if (misfit !== undefined)
    return `a run of ${rows} rows gave ${misfit.shape[0] ?? "no"} of output ${JSON.stringify(misfit.name)}`;
  const other = piece?.cut.results.find((result) => result !== undefined);
  const unlike = other === undefined ? undefined : findUnlike(outputs, other.outputs);
  return unlike === undefined
    ? undefined
    : `rows of output ${JSON.stringify(unlike.name)} are of another shape in another run`;
}

/** Whether another run, without the one at fault, could succeed. */
function isFaultOfOne(error: unknown): boolean {
  const { code } = ServingError.from(error);
  return code === "InvalidArgument" || code === "Internal";
}

/** Those whose clients are gone are not run. */
function withoutSettled(batch: Batch): Batch | undefined {
  if (batch.members.every(({ isSettled }) => !isSettled)) return batch;
  const members = batch.members.filter(({ isSettled }) => !isSettled);
  return members.length === 0 ? undefined : { ...batch, members, rows: rowsOf(members) };
}

function rowsOf(members: readonly WaitingRequest[]): number {
  return members.reduce((rows, member) => rows + member.rows, 0);
}

function rejectAll(members: readonly WaitingRequest[], reason: unknown): void {
  for (const member of members) member.reject(reason);
}
