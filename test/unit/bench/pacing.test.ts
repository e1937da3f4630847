import { describe, expect, test, vi } from "vitest";
import type { Connection } from "../../../bench/loadgen/connection.ts";
import { LatencyHistogram } from "../../../bench/loadgen/latency-histogram.ts";
import { LoadRecorder } from "../../../bench/loadgen/load-recorder.ts";
import { closedPace, OpenPace, type Pace } from "../../../bench/loadgen/pacing.ts";

/** A connection whose requests end when the test says so. */
class FakeConnection implements Connection {
  readonly underWay: number[] = [];
  sent = 0;
  readonly #streams: number;

  constructor(streams = 1) {
    this.#streams = streams;
  }

  get free(): number {
    return this.#streams - this.underWay.length;
  }

  send(startMs: number): void {
    this.underWay.push(startMs);
    this.sent += 1;
  }

  close(): void {
    this.underWay.length = 0;
  }

  end(pace: Pace, outcome = "ok"): void {
    const startMs = this.underWay.shift();
    if (startMs === undefined) throw new Error("expected a request under way, got none");
    pace.onDone(this, startMs, outcome);
  }
}

const ALWAYS = { startMs: 0, endMs: Infinity };

describe("recorder", () => {
  const span = { startMs: 100, endMs: 200 };

  test("of a closed loop counts what ended in the span", () => {
    const recorder = new LoadRecorder(span, "end");
    recorder.record("ok", 50, 99);
    recorder.record("ok", 50, 100);
    recorder.record("503", 150, 160);
    recorder.record("ok", 150, 200);
    const { ok, 503: unavailable } = recorder.results();
    expect([ok?.count, unavailable?.count]).toEqual([1, 1]);
    expect(LatencyHistogram.fromCounts(ok?.latencies ?? new Uint32Array()).quantile(1)).toBeCloseTo(50, -1);
  });

  test("of an open loop keeps the time of what began in the span, however late it ends", () => {
    const recorder = new LoadRecorder(span, "start");
    recorder.record("ok", 99, 150);
    recorder.record("ok", 199, 1_199);
    const { ok } = recorder.results();
    const latencies = LatencyHistogram.fromCounts(ok?.latencies ?? new Uint32Array());
    expect(ok?.count).toBe(1);
    expect(latencies.count).toBe(1);
    expect(latencies.quantile(1) / 1_000).toBeCloseTo(1, 1);
  });
});

describe("a closed loop", () => {
  test("keeps every stream of every connection busy, and stops when it is told", async () => {
    const connections = [new FakeConnection(), new FakeConnection(3)];
    const recorder = new LoadRecorder(ALWAYS, "end");
    const pace = closedPace(connections, recorder);
    pace.begin();
    expect(connections.map(({ sent }) => sent)).toEqual([1, 3]);
    connections[1]?.end(pace);
    connections[1]?.end(pace, "503");
    expect(connections.map(({ sent }) => sent)).toEqual([1, 5]);
    await pace.finish();
    connections[0]?.end(pace);
    expect(connections.map(({ sent }) => sent)).toEqual([1, 5]);
    const counts = Object.entries(recorder.results()).map(([outcome, { count }]) => [outcome, count]);
    expect(Object.fromEntries(counts)).toEqual({ ok: 2, 503: 1 });
  });
});

describe("an open loop", () => {
  function openLoop(connections: readonly FakeConnection[]) {
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "setImmediate", "clearTimeout"] });
    const startMs = performance.now();
    const recorder = new LoadRecorder(ALWAYS, "start");
    const measured = { startMs, endMs: startMs + 1_000 };
    const pace = new OpenPace(connections, recorder, { requestsPerSecond: 100, startMs, measured });
    return { pace, recorder, startMs };
  }

  test("sends at its rate, whether answers come or not", async () => {
    const connections = Array.from({ length: 20 }, () => new FakeConnection());
    const { pace } = openLoop(connections);
    pace.begin();
    await vi.advanceTimersByTimeAsync(95);
    expect(connections.reduce((sum, { sent }) => sum + sent, 0)).toBe(10);
    vi.useRealTimers();
  });

  test("counts the time of a request from when it should have gone", async () => {
    const connection = new FakeConnection();
    const { pace, startMs } = openLoop([connection]);
    pace.begin();
    await vi.advanceTimersByTimeAsync(35);
    expect(connection.underWay).toEqual([startMs]);
    connection.end(pace);
    expect(connection.underWay).toEqual([startMs + 10]);
    connection.end(pace);
    expect(connection.underWay).toEqual([startMs + 20]);
    expect(pace.unanswered()).toBe(2);
    vi.useRealTimers();
  });

  test("goes on after its end with the requests that are late, but with no new ones", async () => {
    const connection = new FakeConnection();
    const { pace } = openLoop([connection]);
    pace.begin();
    await vi.advanceTimersByTimeAsync(35);
    const finished = pace.finish();
    await vi.advanceTimersByTimeAsync(100);
    expect(pace.unanswered()).toBe(4);
    for (let request = 0; request < 4; request++) connection.end(pace);
    expect(pace.unanswered()).toBe(0);
    await vi.advanceTimersByTimeAsync(100);
    await finished;
    expect(connection.sent).toBe(4);
    vi.useRealTimers();
  });

  test("gives up on requests that never end", async () => {
    const { pace } = openLoop([new FakeConnection()]);
    pace.begin();
    await vi.advanceTimersByTimeAsync(15);
    const finished = pace.finish();
    await vi.advanceTimersByTimeAsync(10_000);
    await finished;
    expect(pace.unanswered()).toBe(2);
    vi.useRealTimers();
  });
});
