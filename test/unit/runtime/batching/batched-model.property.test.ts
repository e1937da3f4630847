import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { createBatchedModel } from "../../../../runtime/batching/batched-model.ts";
import type { InferenceRequest, InferenceResult } from "../../../../runtime/core/servable.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import { ManualClock, settle } from "../../../fixtures/manual-clock.ts";
import { answerOf, HeldModel, POISON, requestOf } from "./held-model.ts";

type Step =
  | {
      readonly kind: "arrive";
      readonly rows: number;
      readonly width: number;
      readonly outputs: readonly string[];
      readonly isPoison: boolean;
      readonly priority: "interactive" | "batch";
      /** Until its deadline. */
      readonly leftMs: number;
    }
  /** Of all requests so far, by a fraction. */
  | { readonly kind: "abort"; readonly which: number }
  | { readonly kind: "turn" }
  | { readonly kind: "finish"; readonly which: number }
  | { readonly kind: "advance"; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("arrive" as const),
      rows: fc.oneof(
        { weight: 4, arbitrary: fc.constant(1) },
        { weight: 1, arbitrary: fc.integer({ min: 2, max: 20 }) },
      ),
      width: fc.oneof({ weight: 4, arbitrary: fc.constant(2) }, { weight: 1, arbitrary: fc.constant(3) }),
      outputs: fc.constantFrom(["twice", "sum", "name"], ["sum"], ["name", "twice"]),
      isPoison: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 0),
      priority: fc.constantFrom("interactive" as const, "interactive" as const, "batch" as const),
      leftMs: fc.constantFrom(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 100, 3, 0.1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("abort" as const),
      which: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ kind: "turn" as const }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("finish" as const),
      which: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: fc.integer({ min: 1, max: 10 }) }) },
);

const scenario = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 80 }),
  maxBatchSize: fc.integer({ min: 2, max: 9 }),
  maxLatencyMs: fc.constantFrom(0, 0, 5),
  maxQueue: fc.integer({ min: 1, max: 20 }),
  instances: fc.integer({ min: 1, max: 3 }),
  placement: fc.constantFrom("Worker" as const, "ServingThread" as const),
  isBatchable: fc.integer({ min: 0, max: 3 }).map((dice) => dice > 0),
  /** How it ends: everything is answered, or the model is disposed of in the middle. */
  isDisposedEarly: fc.boolean(),
});

interface Asked {
  readonly spec: Extract<Step, { kind: "arrive" }>;
  readonly firstId: number;
  readonly request: InferenceRequest;
  readonly client: AbortController;
  readonly promise: Promise<void>;
  outcomes: (InferenceResult | Error)[];
}

test("no answer is lost, doubled, swapped or wrong, whatever happens; bounds and order hold", async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (given) => {
      const engine = new HeldModel();
      engine.instances = given.instances;
      engine.placement = given.placement;
      const clock = new ManualClock();
      const turns: (() => void)[] = [];
      const model = createBatchedModel(engine, {
        limits: given,
        batching: given.isBatchable
          ? { maxRows: given.maxBatchSize, key: "2,", costs: [{ rows: given.maxBatchSize, computeMs: 1 }] }
          : undefined,
        clock,
        afterTurn: (callback) => turns.push(callback),
      });
      const asked: Asked[] = [];
      const gone = new ServingError("Cancelled", "gone");
      let nextId = 0;

      const arrive = (spec: Extract<Step, { kind: "arrive" }>): void => {
        const request = requestOf(nextId, { ...spec, deadlineMs: clock.now() + spec.leftMs });
        const client = new AbortController();
        const outcomes: (InferenceResult | Error)[] = [];
        const kept = structuredClone(request);
        const promise = model.infer(request, client.signal).then(
          (result) => void outcomes.push(result),
          (error: unknown) => void outcomes.push(error as Error),
        );
        asked.push({ spec, firstId: nextId, request: kept, client, promise, outcomes });
        nextId += spec.rows;
      };
      const runTurns = (): void => turns.splice(0).forEach((callback) => callback());
      const act = async (each: Step): Promise<void> => {
        if (each.kind === "arrive") arrive(each);
        else if (each.kind === "abort") asked[Math.floor(each.which * asked.length)]?.client.abort(gone);
        else if (each.kind === "turn") runTurns();
        else if (each.kind === "finish") {
          engine.inFlight[Math.floor(each.which * engine.inFlight.length)]?.finish();
          await tick();
        } else await clock.advance(each.ms);
      };

      for (const each of given.steps) await act(each);
      if (given.isDisposedEarly) await model[Symbol.asyncDispose]();
      else
        for (let round = 0; round < 10_000 && asked.some(({ outcomes }) => outcomes.length === 0); round++) {
          runTurns();
          engine.inFlight[0]?.finish();
          await tick();
          if (engine.inFlight.length === 0 && turns.length === 0) await clock.advance(10);
        }
      await Promise.all(asked.map(({ promise }) => promise));
      await settle();

      expect(asked.flatMap((each) => wrongWith(each, given.isDisposedEarly))).toEqual([]);
      expect(engine.mostInFlight).toBeLessThanOrEqual(given.instances + (given.placement === "Worker" ? 1 : 0));
      const mostRows = given.isBatchable ? given.maxBatchSize : Number.POSITIVE_INFINITY;
      expect(engine.runs.filter(({ rows }) => rows > mostRows)).toEqual([]);
      expectOrder(engine, asked, given.maxBatchSize);
      if (!given.isDisposedEarly) await model[Symbol.asyncDispose]();
    }),
    { numRuns: 400 },
  );
}, 60_000);

/** What is wrong with the outcome of a request. */
function wrongWith({ spec, request, client, outcomes }: Asked, isDisposedEarly: boolean): string[] {
  const [outcome] = outcomes;
  if (outcome === undefined || outcomes.length > 1) return [`${outcomes.length} outcomes`];
  if (!(outcome instanceof Error)) {
    if (spec.isPoison) return ["a bad request was answered"];
    return isDeepStrictEqual(outcome.outputs, answerOf(request)) ? [] : ["a wrong answer"];
  }
  const mayBe: Record<string, boolean> = {
    InvalidArgument: spec.isPoison,
    Cancelled: client.signal.aborted,
    Unavailable: isDisposedEarly,
    ResourceExhausted: isRefusalOf(spec, outcome),
  };
  const code = outcome instanceof ServingError ? outcome.code : "none";
  return mayBe[code] === true ? [] : [`failed with ${code}`];
}

/** Whether a request may be refused as it was: for a deadline that it has, or to let one of higher priority wait. */
function isRefusalOf({ leftMs, priority }: Asked["spec"], outcome: Error): boolean {
  const refusal = outcome instanceof ServingError ? outcome.refusal : undefined;
  if (refusal === "deadline") return Number.isFinite(leftMs);
  return refusal === "queue" || (refusal === "priority" && priority === "batch");
}

/** Requests of a lane and a priority are handed over in order of arrival; those in pieces let others pass. */
function expectOrder(engine: HeldModel, asked: readonly Asked[], maxBatchSize: number): void {
  const firstSeen = new Map<number, number>();
  let place = 0;
  for (const { request } of engine.runs)
    for (const text of (request.inputs[1]?.data ?? []) as string[]) {
      place++;
      if (text !== POISON && !firstSeen.has(Number(text.slice(1)))) firstSeen.set(Number(text.slice(1)), place);
    }
  const last = new Map<string, number>();
  for (const { spec, firstId } of asked) {
    const seen = firstSeen.get(firstId);
    if (seen === undefined || spec.rows > maxBatchSize) continue;
    const line = `${spec.width} ${spec.priority}`;
    expect(seen).toBeGreaterThan(last.get(line) ?? 0);
    last.set(line, seen);
  }
}

/** Lets promises that can settle without time do so. */
async function tick(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
