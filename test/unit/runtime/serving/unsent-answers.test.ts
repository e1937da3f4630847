import * as fc from "fast-check";
import { expect, test } from "vitest";
import { UnsentAnswers, type UnsentAnswer } from "../../../../runtime/serving/unsent-answers.ts";

function setUp(maxBytes: number): {
  readonly unsent: UnsentAnswers;
  readonly givenUp: string[];
  readonly add: (name: string, sizeBytes: number) => UnsentAnswer;
} {
  const unsent = new UnsentAnswers(maxBytes);
  const givenUp: string[] = [];
  return { unsent, givenUp, add: (name, sizeBytes) => unsent.add(sizeBytes, () => givenUp.push(name)) };
}

test("those that have waited for longest are given up, and no more than needed", () => {
  const { unsent, givenUp, add } = setUp(10);
  add("a", 4);
  const b = add("b", 4);
  add("c", 2);
  expect(givenUp).toEqual([]);
  unsent.remove(b);
  add("d", 5);
  expect(givenUp).toEqual(["a"]);
  expect(unsent.bytes).toBe(7);
});

test("an answer that is larger than the bound is sent, if alone", () => {
  const { unsent, givenUp, add } = setUp(10);
  add("small", 1);
  const large = add("large", 50);
  expect(givenUp).toEqual(["small"]);
  unsent.remove(large);
  unsent.remove(large);
  expect(unsent.bytes).toBe(0);
});

test("whatever comes and goes, the bound holds, but for the last answer", () => {
  const step = fc.oneof(
    fc.record({ add: fc.integer({ min: 0, max: 30 }) }),
    fc.record({ remove: fc.integer({ min: 0, max: 50 }) }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { unsent, givenUp, add } = setUp(40);
      const added: UnsentAnswer[] = [];
      let lastBytes = 0;
      for (const each of steps) {
        if ("add" in each) {
          added.push(add(String(added.length), each.add));
          lastBytes = each.add;
        } else {
          const answer = added[each.remove];
          if (answer !== undefined) unsent.remove(answer);
        }
        expect(unsent.bytes).toBeGreaterThanOrEqual(0);
        expect(unsent.bytes).toBeLessThanOrEqual(Math.max(40, lastBytes));
      }
      expect(new Set(givenUp).size).toBe(givenUp.length);
      for (const answer of added) unsent.remove(answer);
      expect(unsent.bytes).toBe(0);
    }),
  );
});
