import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { atMinimumRate } from "../../../../runtime/storage/minimum-rate.ts";
import { throttleProgress } from "../../../../runtime/storage/progress.ts";
import { backoffMs, withRetries } from "../../../../runtime/storage/retry.ts";
import { StorageFailure } from "../../../../runtime/storage/storage-failure.ts";

const policy = { deadlineMs: 5_000, maxAttempts: 3, firstDelayMs: 1 };
const refused = new StorageFailure("StorageUnreachable", "refused", { transient: true });
const never = new AbortController().signal;
const identity = (thrown: unknown): unknown => thrown;
const forever = (): Promise<never> => new Promise(() => {});

describe("withRetries", () => {
  test("asks again after a transient failure, up to the last attempt", async () => {
    const ask = vi
      .fn<() => Promise<string>>()
      .mockRejectedValueOnce(refused)
      .mockRejectedValueOnce(refused)
      .mockResolvedValue("ok");
    await expect(withRetries(ask, policy, "place", never)).resolves.toBe("ok");
    ask.mockReset().mockRejectedValue(refused);
    await expect(withRetries(ask, policy, "place", never)).rejects.toBe(refused);
    expect(ask).toHaveBeenCalledTimes(3);
  });

  test("does not ask again when that cannot help", async () => {
    const denied = new StorageFailure("StorageAccessDenied", "denied");
    const ask = vi.fn<() => Promise<never>>().mockRejectedValue(denied);
    await expect(withRetries(ask, policy, "place", never)).rejects.toBe(denied);
    expect(ask).toHaveBeenCalledTimes(1);
  });

  test("an abort ends it with the signal's reason", async () => {
    const stop = new AbortController();
    const result = withRetries(forever, policy, "place", stop.signal);
    stop.abort(new Error("shut down"));
    await expect(result).rejects.toThrow("shut down");
    await expect(withRetries(forever, policy, "place", stop.signal)).rejects.toThrow("shut down");
  });

  describe("with a clock of its own", () => {
    beforeEach(() => void vi.useFakeTimers());
    afterEach(() => void vi.useRealTimers());

    test("does not wait beyond the deadline, even for what heeds no signal", async () => {
      const outcome = withRetries(forever, policy, "s3://models", never).catch(String);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await outcome).toMatch("s3://models did not answer within 5000 ms");
      expect(vi.getTimerCount()).toBe(0);
    });

    test("tells after the deadline what went wrong before", async () => {
      const ask = vi.fn<() => Promise<never>>().mockRejectedValueOnce(refused).mockImplementation(forever);
      const outcome = withRetries(ask, { ...policy, firstDelayMs: 0 }, "place", never).catch(identity);
      await vi.advanceTimersByTimeAsync(5_000);
      expect(await outcome).toBe(refused);
    });
  });

  test("delays double up to a limit, with chance", () => {
    expect(backoffMs(1, 100, () => 0)).toBe(50);
    expect(backoffMs(1, 100, () => 1)).toBe(100);
    expect(backoffMs(3, 100, () => 1)).toBe(400);
    expect(backoffMs(50, 100, () => 1)).toBe(6_400);
  });
});

describe("atMinimumRate", () => {
  const rate = { windowMs: 1_000, minBytes: 10 };
  const stalled = new Error("stalled");

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function* drip(bytes: number, everyMs: number, count: number): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < count; i++) {
      await vi.advanceTimersByTimeAsync(everyMs);
      yield new Uint8Array(bytes);
    }
  }

  async function read(
    body: AsyncIterable<Uint8Array>,
    onChunk: () => Promise<void> = () => Promise.resolve(),
  ): Promise<number> {
    let total = 0;
    for await (const chunk of atMinimumRate(body, rate, () => stalled, Date.now)) {
      total += chunk.length;
      await onChunk();
    }
    return total;
  }

  test("passes on what comes quickly enough, to its end", async () => {
    await expect(read(drip(5, 400, 20))).resolves.toBe(100);
    await expect(read(drip(1, 0, 3))).resolves.toBe(3);
  });

  test("gives up a body that only drips", async () => {
    await expect(read(drip(1, 200, 100))).rejects.toBe(stalled);
  });

  test("gives up a body that stops, without waiting for its end", async () => {
    const body = { [Symbol.asyncIterator]: () => ({ next: forever, return: forever }) };
    const outcome = read(body).catch(identity);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await outcome).toBe(stalled);
  });

  test("does not count the time that the reader takes", async () => {
    const slowly = async (): Promise<void> => void (await vi.advanceTimersByTimeAsync(5_000));
    await expect(read(drip(1, 10, 8), slowly)).resolves.toBe(8);
  });

  test("ends the body when the reader leaves", async () => {
    const left = vi.fn<() => Promise<IteratorResult<Uint8Array>>>().mockResolvedValue({ done: true, value: undefined });
    const next = (): Promise<IteratorResult<Uint8Array>> => Promise.resolve({ done: false, value: new Uint8Array(1) });
    for await (const _ of atMinimumRate(
      { [Symbol.asyncIterator]: () => ({ next, return: left }) },
      rate,
      () => stalled,
    ))
      break;
    expect(left).toHaveBeenCalledTimes(1);
  });
});

test("progress is told once in an interval, the end at once, and nothing twice", () => {
  let nowMs = 0;
  const told: number[] = [];
  const tell = ({ bytesDone }: { bytesDone: number }): void => void told.push(bytesDone);
  const report = throttleProgress(tell, 250, () => nowMs);
  for (let bytesDone = 0; bytesDone <= 1_000; bytesDone += 10) {
    report({ bytesDone, bytesTotal: 1_005 });
    nowMs += 10;
  }
  report({ bytesDone: 1_005, bytesTotal: 1_005 });
  report({ bytesDone: 1_005, bytesTotal: 1_005 });
  expect(told).toEqual([0, 250, 500, 750, 1_000, 1_005]);
});
