import type { HandOver, Priority } from "../core/servable.ts";
import { LoneRunCost, type BatchCosts, type RunCost } from "./batch-costs.ts";
import type { LaneSnapshot, QueueSnapshot } from "./plan-batch.ts";
import { RequestLine } from "./request-line.ts";
import type { Cut, WaitingRequest } from "./waiting-request.ts";

/** Requests, or one piece of a request, that are run together. */
export interface Batch {
  readonly lane: Lane;
  readonly members: readonly WaitingRequest[];
  readonly rows: number;
  /** If it is only a part of its one member. */
  readonly piece: { readonly cut: Cut; readonly index: number; readonly fromRow: number } | undefined;
}

/** Requests that can be run together; without `costs` each is run alone. */
export class Lane implements LaneSnapshot {
  readonly interactive: RequestLine = new RequestLine();
  readonly batch: RequestLine = new RequestLine();
  readonly costs: BatchCosts | undefined;
  readonly #alone = new LoneRunCost();

  constructor(costs: BatchCosts | undefined) {
    this.costs = costs;
  }

  get rows(): number {
    return this.interactive.rows + this.batch.rows;
  }

  get capRows(): number {
    return this.costs?.bestRows ?? 1;
  }

  /** What a row costs, or a request where each is run alone, in ms; NaN where it is not known. */
  get rowCostMs(): number {
    return this.costs === undefined ? this.#alone.costMs : this.costs.bestRowCostMs;
  }

  /** Takes a run of the lane into account. */
  observe(run: RunCost, handOver: HandOver | undefined): void {
    if (this.costs === undefined) this.#alone.observe(run.computeMs);
    else this.costs.observe(run, handOver);
  }

  get isEmpty(): boolean {
    return this.interactive.count + this.batch.count === 0;
  }
}

/** So many lanes are remembered while nobody waits in them. */
const MAX_IDLE_LANES = 64;

/** All requests that wait for a model. Within a lane and a priority, first come is first served. */
export class RequestQueue implements QueueSnapshot<Lane> {
  /** For requests that cannot, or need not, be joined. */
  readonly alone: Lane = new Lane(undefined);
  readonly #lanes = new Map<string, Lane>();
  /** The same as a list, which is looked through with each arrival. */
  #allLanes: readonly Lane[] = [this.alone];
  readonly #costsFor: (key: string) => BatchCosts;
  readonly #waiting = { interactive: 0, batch: 0 };
  #last: Lane | undefined;
  runsInFlight = 0;
  runsPastBatch = 0;
  lastInteractiveMs: number = Number.NEGATIVE_INFINITY;

  /** `costsFor` tells what is known of requests of a new key. */
  constructor(costsFor: (key: string) => BatchCosts) {
    this.#costsFor = costsFor;
  }

  get lanes(): readonly Lane[] {
    return this.#allLanes;
  }

  get isEmpty(): boolean {
    return this.#waiting.interactive + this.#waiting.batch === 0;
  }

  /** Requests that wait, by their priority. */
  get waiting(): { readonly interactive: number; readonly batch: number } {
    return this.#waiting;
  }

  /** Takes out the request of priority `batch` that came last; undefined if none waits. */
  takeYoungestBatch(): WaitingRequest | undefined {
    let youngest: WaitingRequest | undefined;
    for (const { batch } of this.lanes)
      if (batch.last !== undefined && batch.last.order > (youngest?.order ?? -1)) youngest = batch.last;
    if (youngest !== undefined) this.remove(youngest);
    return youngest;
  }

  /** The lane of a key. */
  laneOf(key: string): Lane {
    let lane = this.#lanes.get(key);
    if (lane === undefined) {
      if (this.#lanes.size >= MAX_IDLE_LANES) this.#forgetIdle();
      lane = new Lane(this.#costsFor(key));
      this.#lanes.set(key, lane);
      this.#allLanes = [this.alone, ...this.#lanes.values()];
    }
    this.#last = lane;
    return lane;
  }

  /** Rows of a full run, of requests like the last one; undefined before any. */
  get lastCapRows(): number | undefined {
    return this.#last?.capRows;
  }

  /** Adds a request at the end. */
  push(request: WaitingRequest, lane: Lane): void {
    const { priority = "interactive" } = request.request;
    request.lane = lane;
    lane[priority].push(request);
    this.#waiting[priority]++;
    if (priority === "interactive") this.lastInteractiveMs = request.arrivalMs;
  }

  /** Takes out a request, if it waits. */
  remove(request: WaitingRequest): void {
    if (request.line === undefined) return;
    request.line.remove(request);
    this.#waiting[request.request.priority ?? "interactive"]--;
  }

  /** Takes out what is run together next, from a lane that is not empty: `leader` first, the others where there is room. */
  take(lane: Lane, leader: Priority): Batch {
    const capRows = lane.costs?.nextRows(lane.rows) ?? 1;
    const hadBatch = this.#waiting.batch > 0;
    const first = lane[leader].first;
    if (first === undefined) throw new Error("expected a request in the lane, found none");
    this.runsPastBatch = leader === "interactive" && hadBatch ? this.runsPastBatch + 1 : 0;
    if (first.cut !== undefined || (lane.costs !== undefined && first.rows > capRows))
      return this.#takePiece(lane, first, capRows);
    const members: WaitingRequest[] = [];
    let rows = this.#takeFrom(lane, leader, members, capRows);
    if (rows < capRows) {
      const fromInteractive = members.length;
      const follower = leader === "interactive" ? "batch" : "interactive";
      rows += this.#takeFrom(lane, follower, members, capRows - rows);
      if (follower === "batch" && members.length > fromInteractive) this.runsPastBatch = 0;
    }
    return { lane, members, rows, piece: undefined };
  }

  /** Takes out everything, in order of arrival. */
  drain(): WaitingRequest[] {
    const all: WaitingRequest[] = [];
    for (const lane of this.lanes)
      for (const line of [lane.interactive, lane.batch])
        for (let request = line.first; request !== undefined; request = line.first) {
          this.remove(request);
          all.push(request);
        }
    return all.sort((a, b) => a.order - b.order);
  }

  #takeFrom(lane: Lane, priority: Priority, members: WaitingRequest[], room: number): number {
    let rows = 0;
    for (let request = lane[priority].first; request !== undefined; request = lane[priority].first) {
      const isFirst = members.length === 0;
      if (request.cut !== undefined || (!isFirst && (lane.costs === undefined || rows + request.rows > room))) break;
      this.remove(request);
      members.push(request);
      rows += request.rows;
    }
    return rows;
  }

  /**
   * The next part of a request that is larger than a run may be. The rest of it goes to the end of its line: those who
   * came later have waited for one run then, not for all of it.
   */
  #takePiece(lane: Lane, request: WaitingRequest, capRows: number): Batch {
    this.remove(request);
    const cut = (request.cut ??= cutInto(request.rows, capRows));
    const fromRow = cut.takenRows;
    const rows = Math.min(cut.pieceRows, request.rows - fromRow);
    cut.takenRows += rows;
    if (request.remainingRows > 0) {
      const { priority = "interactive" } = request.request;
      lane[priority].push(request);
      this.#waiting[priority]++;
    }
    return { lane, members: [request], rows, piece: { cut, index: fromRow / cut.pieceRows, fromRow } };
  }

  #forgetIdle(): void {
    for (const [key, lane] of this.#lanes)
      if (lane.isEmpty) {
        this.#lanes.delete(key);
        return;
      }
  }
}

function cutInto(rows: number, pieceRows: number): Cut {
  const pieces = Math.ceil(rows / pieceRows);
  return { pieceRows, takenRows: 0, results: Array.from({ length: pieces }, () => undefined), missing: pieces };
}
