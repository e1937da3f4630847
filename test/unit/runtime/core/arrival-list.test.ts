import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ArrivalList, ListEntry } from "../../../../runtime/core/arrival-list.ts";
import { runCount } from "../../../fixtures/run-count.ts";

class Numbered extends ListEntry {
  readonly number: number;

  constructor(number: number) {
    super();
    this.number = number;
  }
}

describe("a list in order of arrival", () => {
  test("holds what an array would after the same comings and goings", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 20 }), { maxLength: 60 }), (steps) => {
        const list = new ArrivalList<Numbered>();
        const model: Numbered[] = [];
        const departures: unknown[][] = [];
        for (const [number, step] of steps.entries()) {
          const leaving = model[step];
          if (leaving === undefined) {
            const entry = new Numbered(number);
            list.push(entry);
            model.push(entry);
          } else {
            const left = [list.remove(leaving), list.remove(leaving), leaving.next, leaving.previous, leaving.list];
            departures.push(left);
            model.splice(step, 1);
          }
          expect([...list]).toEqual(model);
          expect(list.count).toBe(model.length);
          expect(list.first).toBe(model[0]);
          expect(list.last).toBe(model.at(-1));
        }
        for (const left of departures) expect(left).toEqual([true, false, undefined, undefined, undefined]);
      }),
      { numRuns: runCount(200) },
    );
  });

  test("entries may leave while it is gone through", () => {
    const list = new ArrivalList<Numbered>();
    const entries = [1, 2, 3].map((number) => new Numbered(number));
    for (const entry of entries) list.push(entry);
    for (const entry of list) list.remove(entry);
    expect(list.count).toBe(0);
  });

  test("an entry stands in one list at a time", () => {
    const entry = new Numbered(1);
    const list = new ArrivalList<Numbered>();
    list.push(entry);
    expect(() => new ArrivalList<Numbered>().push(entry)).toThrow("in a list");
    expect(new ArrivalList<Numbered>().remove(entry)).toBe(false);
  });
});
