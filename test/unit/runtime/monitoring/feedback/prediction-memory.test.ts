import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PredictionMemory, type Prediction } from "../../../../../runtime/monitoring/feedback/prediction-memory.ts";
import { VersionOutcomes } from "../../../../../runtime/monitoring/feedback/version-outcomes.ts";

const VERSION = new VersionOutcomes(1, "sha256:0");

function predictionOf(requestId: string, rows: number, clientId?: string): Prediction {
  return { requestId, clientId, version: VERSION, predicted: { kind: "label", rows, values: [] }, hasOutcome: false };
}

test("the newest predictions are found, as many as there is room for, by the name that was given last", () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({ id: fc.nat(30), clientId: fc.option(fc.nat(5)), rows: fc.integer({ min: 1, max: 9 }) }),
    },
    { weight: 1, arbitrary: fc.constant("look" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 20 }), (steps, maxRows) => {
      const memory = new PredictionMemory<Prediction>(maxRows);
      let kept: { readonly prediction: Prediction; readonly rows: number }[] = [];
      const keptRows = (): number => kept.reduce((sum, { rows }) => sum + rows, 0);
      const look = (): void => {
        while (!memory.index(() => undefined));
        for (let id = 0; id <= 30; id++) {
          const wanted = kept.findLast(({ prediction }) => prediction.requestId === `r${id}`);
          expect(memory.find(`r${id}`)).toBe(wanted?.prediction);
        }
        for (let id = 0; id <= 5; id++) {
          const wanted = kept.findLast(({ prediction }) => prediction.clientId === `c${id}`);
          expect(memory.find(`c${id}`)).toBe(wanted?.prediction);
        }
        expect(memory.rows).toBe(keptRows());
      };
      for (const each of steps) {
        if (each === "look") {
          look();
          continue;
        }
        const clientId = each.clientId === null ? undefined : `c${each.clientId}`;
        const prediction = predictionOf(`r${each.id}`, each.rows, clientId);
        memory.add(prediction);
        if (each.rows > maxRows) continue;
        kept.push({ prediction, rows: each.rows });
        while (keptRows() > maxRows) kept = kept.slice(1);
      }
      look();
    }),
  );
});

test("each prediction is told of once when it gets its place, a few thousand at a time", () => {
  const memory = new PredictionMemory<Prediction>(10_000);
  for (let index = 0; index < 10_000; index++) memory.add(predictionOf(`r${index}`, 1));
  const told: string[] = [];
  let stretches = 1;
  while (!memory.index(({ requestId }) => told.push(requestId))) stretches++;
  expect(stretches).toBe(3);
  expect(told).toHaveLength(10_000);
  expect(new Set(told).size).toBe(10_000);
  expect(memory.index(() => expect.unreachable())).toBe(true);
});
