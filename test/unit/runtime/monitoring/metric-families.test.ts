import { array, assert, double, property } from "fast-check";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { describe, expect, test } from "vitest";
import { HistogramFamily, ValueFamily, type MetricFamily } from "../../../../runtime/monitoring/metric-families.ts";

const BUCKETS = [0.001, 0.5, 1, 10];

function linesOf(family: MetricFamily): string[] {
  const text = [...family.text()].join("");
  expect(text).toMatch(/\n$/);
  return text.slice(0, -1).split("\n");
}

/** What prom-client writes, as lines. */
async function linesOfRegistry(registry: Registry): Promise<string[]> {
  const text = await registry.metrics();
  return text.split("\n").filter((line) => line !== "");
}

describe("what is written is what prom-client writes", () => {
  test("of counters and gauges", async () => {
    const registry = new Registry();
    const spec = { name: "things_total", help: "A help\nwith \\ two lines.", labelNames: ["kind", "of"] };
    const theirs = new Counter({ ...spec, registers: [registry] });
    const ours = new ValueFamily("counter", { ...spec, labels: spec.labelNames });
    for (const kind of ["a", 'q"uo\\te\n']) {
      theirs.inc({ kind, of: "" }, 2.5);
      ours.series({ kind, of: "" }).value += 2.5;
    }
    expect(linesOf(ours)).toEqual(await linesOfRegistry(registry));
  });

  test("of gauges without labels, before they are set and for odd values", async () => {
    for (const value of [0, 1.5, -1e-7, 1e21, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const registry = new Registry();
      const spec = { name: "level", help: "A level." };
      const theirs = new Gauge({ ...spec, registers: [registry] });
      const ours = new ValueFamily("gauge", { ...spec, labels: [] });
      expect(linesOf(ours)).toEqual(await linesOfRegistry(registry));
      theirs.set(value);
      ours.series({}).value = value;
      expect(linesOf(ours)).toEqual(await linesOfRegistry(registry));
    }
  });

  test("of histograms, with any values", async () => {
    const values = array(double({ min: 0, max: 20, noNaN: true }));
    const samples: number[][] = [[0, 0.001, 0.0011, 0.5, 1, 10, 10.1]];
    assert(
      property(values, (each) => void samples.push(each)),
      { numRuns: 30 },
    );
    for (const sample of samples) {
      const registry = new Registry();
      const spec = { name: "wait_seconds", help: "A wait." };
      const theirs = new Histogram({ ...spec, buckets: BUCKETS, labelNames: ["kind"], registers: [registry] });
      const ours = new HistogramFamily({ ...spec, buckets: BUCKETS, labels: ["kind"] });
      expect(linesOf(ours)).toEqual(await linesOfRegistry(registry));
      for (const kind of ["a", "b"])
        for (const value of sample) {
          theirs.observe({ kind }, value);
          ours.series({ kind }).observe(value);
        }
      expect(linesOf(ours)).toEqual(await linesOfRegistry(registry));
    }
  });
});

test("a histogram without labels is there from the start", () => {
  const family = new HistogramFamily({ name: "wait", help: "A wait.", labels: [], buckets: [1] });
  family.series({}).observe(0.5);
  family.series({}).observe(3);
  expect(linesOf(family).slice(2)).toEqual([
    'wait_bucket{le="1"} 1',
    'wait_bucket{le="+Inf"} 2',
    "wait_sum 3.5",
    "wait_count 2",
  ]);
});

describe("series", () => {
  test("are the same for the same labels, in whatever order", () => {
    const family = new ValueFamily("gauge", { name: "level", help: "A level.", labels: ["a", "b"] });
    expect(family.series({ a: "1", b: "2" })).toBe(family.series({ b: "2", a: "1" }));
    expect(family.series({ a: "1", b: "2" })).not.toBe(family.series({ a: "2", b: "1" }));
  });

  test("that were removed are not written, and begin anew", () => {
    const family = new ValueFamily("gauge", { name: "level", help: "A level.", labels: ["a"] });
    family.series({ a: "1" }).value = 7;
    family.remove({ a: "1" });
    expect(linesOf(family)).toHaveLength(2);
    expect(family.series({ a: "1" }).value).toBe(0);
  });

  test("have the labels of their family and no others", () => {
    const spec = { name: "level", help: "A level.", labels: ["a"] };
    const families = [new ValueFamily("gauge", spec), new HistogramFamily({ ...spec, buckets: [1] })];
    for (const family of families) {
      expect(() => family.series({})).toThrow("level has the labels a");
      expect(() => family.series({ a: "1", b: "2" })).toThrow("level has the labels a");
      expect(() => family.series({ b: "2" })).toThrow("level has the labels a");
    }
  });
});

test("what is no number is written as the format says", () => {
  const family = new ValueFamily("gauge", { name: "level", help: "A level.", labels: [] });
  family.series({}).value = Number.NaN;
  expect(linesOf(family).at(-1)).toBe("level NaN");
});
