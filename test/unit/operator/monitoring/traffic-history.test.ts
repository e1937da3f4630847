import { expect, test } from "vitest";
import { TrafficHistory } from "../../../../operator/monitoring/traffic-history.ts";
import { durations, versionAnswer } from "./monitoring-answers.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;

function asked(requests: Record<string, number>) {
  return versionAnswer({ requests, rows: 3, duration: durations(5, 0.5), queueSeconds: 0.25, computeSeconds: 0.125 });
}

function header(atMs: number) {
  return { atMs, intervalMs: 10 * SECOND, inFlight: 4, replicas: 2 };
}

test("gives back what was added, and only versions that were asked anything", () => {
  const history = new TrafficHistory(10 * SECOND);
  history.add(
    header(10 * SECOND),
    new Map([
      [3, asked({ OK: 4, ModelNotReady: 1 })],
      [2, asked({ InvalidRequest: 2 })],
      [1, asked({})],
    ]),
  );
  history.add(header(20 * SECOND), new Map());
  const { digest: _d, drift: _o, version: _v, ...sums } = asked({});
  expect(history.points(20 * SECOND)).toEqual([
    {
      ...header(10 * SECOND),
      versions: [
        { version: 2, ...sums, requests: { InvalidRequest: 2 } },
        { version: 3, ...sums, requests: { OK: 4, ModelNotReady: 1 } },
      ],
    },
    { ...header(20 * SECOND), versions: [] },
  ]);
});

test("is of the last hour, oldest first, and forgets versions that were asked nothing in it", () => {
  const history = new TrafficHistory(10 * SECOND);
  for (let step = 1; step <= 1_000; step++)
    history.add(header(step * 10 * SECOND), new Map([[step <= 700 ? 2 : 3, asked({ OK: step })]]));
  const points = history.points(10_000 * SECOND);
  expect(points).toHaveLength(360);
  expect(points.map(({ versions }) => versions.map(({ requests }) => requests["OK"]))).toEqual(
    Array.from({ length: 360 }, (_, index) => [641 + index]),
  );
  expect(points.at(-1)?.versions.map(({ version }) => version)).toEqual([3]);
  for (let step = 1_001; step <= 1_100; step++)
    history.add(header(step * 10 * SECOND), new Map([[3, asked({ OK: 1 })]]));
  expect(
    new Set(history.points(11_000 * SECOND).flatMap(({ versions }) => versions.map(({ version }) => version))),
  ).toEqual(new Set([3]));
  expect(history.points(11_000 * SECOND + HOUR)).toEqual([{ ...header(11_000 * SECOND), versions: expect.any(Array) }]);
  expect(history.points(11_001 * SECOND + HOUR)).toEqual([]);
});

test("has room for so many intervals, however short they are", () => {
  const history = new TrafficHistory(200);
  for (let step = 1; step <= 2_000; step++) history.add(header(step * 200), new Map());
  expect(history.points(400_000)).toHaveLength(720);
});
