import { describe, expect, test } from "vitest";
import { HistogramFamily, ValueFamily } from "../../../../runtime/monitoring/metric-families.ts";
import { formOf, metricsPageOf } from "../../../../runtime/monitoring/metrics-page.ts";

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

test.each([
  [undefined, "prometheus"],
  ["", "prometheus"],
  ["*/*", "prometheus"],
  ["text/plain", "prometheus"],
  ["application/openmetrics-text", "openmetrics"],
  ["application/openmetrics-text; version=1.0.0; charset=utf-8", "openmetrics"],
  ["Application/OpenMetrics-Text;Version=1.0.0", "openmetrics"],
  // A version that is not written here.
  ["application/openmetrics-text;version=0.0.1", "prometheus"],
  ["application/openmetrics-text;version=2.0.0,text/plain", "prometheus"],
  // As Prometheus asks.
  [
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
    "openmetrics",
  ],
  ["application/openmetrics-text;q=0.2,text/plain;q=0.9", "prometheus"],
  ["application/openmetrics-text;q=0", "prometheus"],
  ["application/openmetrics-text;q=much", "prometheus"],
] as const)("whoever accepts %j gets the form %s", (accept, form) => {
  expect(formOf(accept)).toBe(form);
});
