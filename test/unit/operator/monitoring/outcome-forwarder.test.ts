import { expect, test } from "vitest";
import type { Outcome } from "../../../../common/monitoring-api.ts";
import { batchesOf, forwardOutcomes } from "../../../../operator/monitoring/outcome-forwarder.ts";

const NEVER = new AbortController().signal;

function outcome(requestId: string, size = 1): Outcome {
  return { requestId, values: Array.from({ length: size }, () => 0.123_456_789) };
}

async function forwarded(
  strays: Record<string, readonly Outcome[]>,
  pods: readonly string[],
  takes = (_origin: string): boolean => true,
): Promise<string[]> {
  const brought: string[] = [];
  await forwardOutcomes(
    {
      model: "digits",
      strays: Object.entries(strays).map(([podUid, outcomes]) => ({ podUid, outcomes })),
      targets: pods.map((podUid) => ({ podUid, origin: podUid })),
      client: {
        bringOutcomes: (origin, { model, outcomes }) => {
          brought.push(`${model} ${origin}: ${outcomes.map(({ requestId }) => requestId).join(" ")}`);
          return Promise.resolve(takes(origin));
        },
      },
    },
    NEVER,
  );
  return brought.toSorted();
}

test("brings outcomes to all replicas but the one that told of them", async () => {
  const strays = { a: [outcome("1"), outcome("2")], b: [outcome("3")] };
  expect(await forwarded(strays, ["a", "b", "c"])).toEqual(["digits a: 3", "digits b: 1 2", "digits c: 1 2 3"]);
  expect(await forwarded({ a: [outcome("1")] }, ["a"])).toEqual([]);
  expect(await forwarded({}, ["a", "b"])).toEqual([]);
});

test("keeps a replica that does not answer busy with one message only", async () => {
  const many = Array.from({ length: 2_500 }, (_, index) => outcome(String(index)));
  const brought = await forwarded({ a: many }, ["a", "b", "c"], (origin) => origin !== "b");
  expect(brought.filter((line) => line.startsWith("digits b"))).toHaveLength(1);
  expect(brought.filter((line) => line.startsWith("digits c"))).toHaveLength(batchesOf(many).length);
});

test("parts fit into one message, and none is lost", () => {
  const all = Array.from({ length: 5_000 }, (_, index) => outcome(String(index), (index % 7) * 20 + 1));
  const batches = batchesOf([...all, outcome("large", 1_024), outcome("last")]);
  expect(batches.flat().map(({ requestId }) => requestId)).toEqual([
    ...all.map(({ requestId }) => requestId),
    "large",
    "last",
  ]);
  for (const outcomes of batches) {
    expect(outcomes.length).toBeLessThanOrEqual(1_000);
    expect(JSON.stringify({ model: "digits", outcomes }).length).toBeLessThan(64 * 1024);
  }
});
