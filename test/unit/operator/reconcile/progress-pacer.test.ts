import { describe, expect, test } from "vitest";
import type { InferenceServiceStatus } from "../../../../common/inferenceservice.gen.ts";
import { ProgressPacer } from "../../../../operator/reconcile/progress-pacer.ts";

function statusAt(bytesDone: number, change: Partial<InferenceServiceStatus> = {}): InferenceServiceStatus {
  return {
    replicas: 1,
    loading: { version: 3, bytesDone, bytesTotal: 100 },
    conditions: [
      {
        type: "Ready",
        status: "False",
        reason: "FetchingModel",
        message: `${bytesDone} of 100`,
        lastTransitionTime: "2026-01-01T00:00:00Z",
      },
    ],
    ...change,
  };
}

describe("progress in a status", () => {
  test("is written at once when it begins, then every two seconds, however often it is seen", () => {
    const pacer = new ProgressPacer();
    let stored: InferenceServiceStatus | undefined = { replicas: 1 };
    const writes: number[] = [];
    for (let ms = 0; ms <= 10_000; ms += 50) {
      const next = pacer.pace("uid", stored, statusAt(ms), ms);
      if (next !== stored) writes.push(ms);
      stored = next;
    }
    expect(writes).toEqual([0, 1_900, 3_800, 5_700, 7_600, 9_500]);
  });

  test.each<[string, InferenceServiceStatus]>([
    ["another version", statusAt(7, { loading: { version: 4, bytesDone: 7 } })],
    ["more replicas", statusAt(7, { replicas: 2 })],
    ["another reason", statusAt(7, { conditions: [] })],
    ["the end", { replicas: 1 }],
  ])("does not hold back %s", (_, news) => {
    const pacer = new ProgressPacer();
    const stored = pacer.pace("uid", undefined, statusAt(1), 0);
    expect(pacer.pace("uid", stored, statusAt(5), 10)).toBe(stored);
    expect(pacer.pace("uid", stored, news, 20)).toBe(news);
  });

  test("of one InferenceService does not hold back another's, nor its successor's", () => {
    const pacer = new ProgressPacer();
    const stored = pacer.pace("a", undefined, statusAt(1), 0);
    const next = statusAt(2);
    expect(pacer.pace("b", stored, next, 1)).toBe(next);
    pacer.forget("a");
    expect(pacer.pace("a", stored, next, 1)).toBe(next);
  });
});
