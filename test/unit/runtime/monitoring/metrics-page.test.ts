import { describe, expect, test } from "vitest";
import { HistogramFamily, ValueFamily } from "../../../../runtime/monitoring/metric-families.ts";
import { metricsPageOf } from "../../../../runtime/monitoring/metrics-page.ts";

function histogramOf(series: number): HistogramFamily {
  const family = new HistogramFamily({ name: "wait", help: "A wait.", labels: ["of"], buckets: [1, 10, 100] });
  for (let index = 0; index < series; index++) family.series({ of: String(index) }).observe(index);
  return family;
}

describe("a page", () => {
  test("has all families in order", async () => {
    const family = new ValueFamily("counter", { name: "things_total", help: "Things.", labels: [] });
    const page = await metricsPageOf([family, histogramOf(1)]);
    expect(page).toMatch(/^# HELP things_total [^]*\nthings_total 0\n# HELP wait [^]*\nwait_count\{of="0"\} 1\n$/);
  });

  test("with many series is made in several turns, and no line is lost between them", async () => {
    let turns = 0;
    const pause = (): Promise<void> => {
      turns++;
      return Promise.resolve();
    };
    expect((await metricsPageOf([histogramOf(100)], pause)).split("\n")).toHaveLength(2 + 600 + 1);
    expect(turns).toBeLessThanOrEqual(1);
    const family = histogramOf(5_000);
    const page = await metricsPageOf([family], pause);
    expect(page).toBe([...family.text()].join(""));
    expect(turns).toBeGreaterThan(20);
  });

  test("may be made while series come and go", async () => {
    const family = histogramOf(2_000);
    const others = new ValueFamily("gauge", { name: "level", help: "A level.", labels: ["of"] });
    let turns = 0;
    const pause = async (): Promise<void> => {
      others.remove({ of: String(turns++) });
      others.series({ of: String(turns) }).value = 7;
      await Promise.resolve();
    };
    const page = await metricsPageOf([family, others], pause);
    expect(page).toMatch(new RegExp(`\\nlevel\\{of="${turns}"\\} 7\\n$`));
  });
});
