import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PayloadBudget } from "../../../../../runtime/monitoring/payload/payload-budget.ts";
import {
  PayloadPipeline,
  type PayloadOutcome,
  type PayloadSink,
} from "../../../../../runtime/monitoring/payload/payload-pipeline.ts";
import { PayloadTap } from "../../../../../runtime/monitoring/payload/payload-tap.ts";
import type { PayloadSinkName } from "../../../../../runtime/monitoring/payload/payload.ts";
import { ServingError } from "../../../../../runtime/errors.ts";
import { floats, labels, servableOf, TIMING } from "../../../../fixtures/payload-fixtures.ts";

const SERVABLE = servableOf();
const NAMED = { requestId: "r", clientId: undefined };

/** A sink that settles when it is told to. */
class SinkUnderTest implements PayloadSink {
  readonly name: PayloadSinkName;
  readonly waiting: ((outcome: PayloadOutcome) => void)[] = [];

  constructor(name: PayloadSinkName) {
    this.name = name;
  }

  accept(_payload: unknown, settle: (outcome: PayloadOutcome) => void): void {
    this.waiting.push(settle);
  }

  flush(): Promise<void> {
    for (const settle of this.waiting.splice(0)) settle("shutdown");
    return Promise.resolve();
  }
}

function setUp(
  maxBytes: number,
  options: { readonly mode?: "all" | "request" | "response"; readonly percent?: number } = {},
) {
  const counts = { logged: { http: 0, storage: 0 }, dropped: { http: 0, storage: 0 }, reasons: new Set<string>() };
  const turns: (() => void)[] = [];
  const budget = new PayloadBudget(maxBytes, false, () => undefined);
  const sinks = [new SinkUnderTest("http"), new SinkUnderTest("storage")];
  const { mode = "all", percent = 100 } = options;
  const pipeline = new PayloadPipeline({
    sinks,
    budget,
    wantsResponse: mode !== "request",
    observer: {
      logged: (sink) => void counts.logged[sink]++,
      dropped: (sink, reason) => {
        counts.dropped[sink]++;
        counts.reasons.add(reason);
      },
    },
    afterTurn: (work) => void turns.push(work),
    elapsed: () => 0,
  });
  let drawn = 0;
  const tap = new PayloadTap({
    mode,
    percent,
    redact: [],
    budget,
    offer: (payload) => pipeline.offer(payload),
    onDropped: (reason) => pipeline.dropped(reason),
    random: () => (drawn++ % 100) / 100,
    now: () => 0,
    elapsed: () => 0,
  });
  const turn = (): void => {
    for (const work of turns.splice(0)) work();
  };
  return { counts, budget, sinks, pipeline, tap, turn };
}

test("whatever happens, each request is logged or dropped once for each sink, and no memory is left", async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("ask" as const), elements: fc.integer({ min: 0, max: 400 }), fails: fc.boolean() }),
    fc.constant({ kind: "turn" as const }),
    fc.record({
      kind: fc.constant("settle" as const),
      sink: fc.nat(1),
      outcome: fc.constantFrom("logged" as const, "sink" as const),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const { counts, budget, sinks, pipeline, tap, turn } = setUp(8_192);
      let asked = 0;
      for (const each of steps) {
        if (each.kind === "turn") turn();
        else if (each.kind === "settle") sinks[each.sink]?.waiting.shift()?.(each.outcome);
        else {
          asked++;
          const values = Array.from({ length: each.elements }, () => 0.5);
          const tapped = tap.begin(SERVABLE, [floats("input", values)], NAMED);
          if (each.fails) tapped?.failed(new ServingError("Unavailable", "gone"));
          else tapped?.answered([floats("output", values)], TIMING);
        }
        expect(budget.heldBytes).toBeLessThanOrEqual(8_192);
      }
      const closed = pipeline.close(AbortSignal.abort());
      turn();
      await closed;
      for (const sink of ["http", "storage"] as const) expect(counts.logged[sink] + counts.dropped[sink]).toBe(asked);
      expect(budget.heldBytes).toBe(0);
    }),
  );
});

test("a sink that stands still does not keep the memory of payloads that were dropped", () => {
  const { counts, budget, sinks, tap, turn } = setUp(64 * 1024);
  for (let asked = 0; asked < 1_000; asked++) {
    tap
      .begin(
        SERVABLE,
        [
          floats(
            "input",
            Array.from({ length: 100 }, () => 0.5),
          ),
        ],
        NAMED,
      )
      ?.answered([labels("label", [1])], TIMING);
    turn();
  }
  expect(budget.heldBytes).toBeLessThanOrEqual(64 * 1024);
  expect(counts.dropped.http).toBeGreaterThan(900);
  expect([...counts.reasons]).toEqual(["queue"]);
  expect((sinks[0]?.waiting.length ?? 0) + counts.dropped.http).toBe(1_000);
});

test("what would not fit alone is too large, as copy and as text", () => {
  const asCopy = setUp(16_384);
  asCopy.tap.begin(
    SERVABLE,
    [
      floats(
        "input",
        Array.from({ length: 3_000 }, () => 0.5),
      ),
    ],
    NAMED,
  );
  expect([...asCopy.counts.reasons]).toEqual(["too-large"]);
  const asText = setUp(16_384);
  // Four bytes as copy, and 22 as text.
  const long = floats(
    "input",
    Array.from({ length: 1_900 }, () => -1.175_494_4e-38),
  );
  asText.tap.begin(SERVABLE, [long], NAMED)?.failed(new Error("x"));
  asText.turn();
  expect([...asText.counts.reasons]).toEqual(["too-large"]);
  expect(asText.budget.heldBytes).toBe(0);
});

test("so many in a hundred requests are logged", () => {
  const { sinks, tap, turn } = setUp(10_000_000, { percent: 7 });
  for (let asked = 0; asked < 500; asked++) tap.begin(SERVABLE, [], NAMED)?.answered([], TIMING);
  turn();
  expect(sinks.map(({ waiting }) => waiting.length)).toEqual([35, 35]);
});

test("nothing at all is logged at 0 percent", () => {
  const { tap } = setUp(10_000_000, { percent: 0 });
  for (let asked = 0; asked < 200; asked++) expect(tap.begin(SERVABLE, [], NAMED)).toBeUndefined();
});
