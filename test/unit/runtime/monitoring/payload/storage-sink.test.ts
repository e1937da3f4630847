import { expect, test } from "vitest";
import { createLogger } from "../../../../../common/logger.ts";
import { encodePayload, type EncodedPayload } from "../../../../../runtime/monitoring/payload/payload-encoder.ts";
import { PayloadBudget } from "../../../../../runtime/monitoring/payload/payload-budget.ts";
import { SinkComplaints } from "../../../../../runtime/monitoring/payload/sink-complaints.ts";
import { StorageSink } from "../../../../../runtime/monitoring/payload/storage-sink.ts";
import type { ObjectWriter } from "../../../../../runtime/storage/object-writer.ts";
import { floats, payloadOf } from "../../../../fixtures/payload-fixtures.ts";

function payload(elements: number): EncodedPayload {
  const values = Array.from({ length: elements }, () => 0.5);
  const steps = encodePayload(payloadOf([floats("input", values)], []), true, {
    take: () => true,
    giveBack: () => undefined,
  });
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  if (step.value === undefined) throw new Error("there was room");
  return step.value;
}

function setUp(create: ObjectWriter["create"], batchSize = 3) {
  const files: string[] = [];
  const outcomes: string[] = [];
  const never = (): Promise<never> => Promise.reject(new Error("is not called"));
  const budget = new PayloadBudget(64 * 1024, true, () => undefined);
  const sink = new StorageSink({
    writer: {
      claim: never,
      upload: never,
      remove: never,
      create: (key, content, signal) => {
        files.push(Buffer.from(content).toString());
        return create(key, content, signal);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    },
    prefix: "",
    instance: "0a1b",
    format: "JSONLines",
    batchSize,
    batchIntervalMs: 60_000,
    budget,
    complaints: new SinkComplaints(createLogger({ name: "test", level: "silent" }), () => 0),
    parquetFileOf: never,
    afterTurn: () => Promise.resolve(),
  });
  const accept = (...payloads: EncodedPayload[]): void => {
    for (const each of payloads) sink.accept(each, (outcome) => void outcomes.push(outcome));
  };
  return { sink, accept, files, outcomes, budget };
}

test("files have as many payloads as they may, and as many bytes", async () => {
  const { sink, accept, files, outcomes, budget } = setUp(() => Promise.resolve("created"));
  accept(...Array.from({ length: 7 }, () => payload(4)));
  // Two of these take more than a quarter of the memory.
  accept(payload(2_000), payload(2_000));
  await sink.flush(AbortSignal.timeout(20_000));
  expect(files.map((text) => text.trimEnd().split("\n").length)).toEqual([3, 3, 2, 1]);
  expect(outcomes).toEqual(Array.from({ length: 9 }, () => "logged"));
  for (const text of files) expect(text.length).toBeLessThanOrEqual(budget.fileBytes);
  expect(budget.heldBytes).toBe(0);
});

test("a payload that is larger than a file may be is dropped", async () => {
  const { sink, accept, files, outcomes } = setUp(() => Promise.resolve("created"));
  accept(payload(6_000));
  await sink.flush(AbortSignal.timeout(20_000));
  expect(outcomes).toEqual(["too-large"]);
  expect(files).toEqual([]);
});

test("a file that is there already is what an attempt left whose answer did not arrive", async () => {
  const { sink, accept, outcomes } = setUp(() => Promise.resolve("exists"));
  accept(payload(4));
  await sink.flush(AbortSignal.timeout(20_000));
  expect(outcomes).toEqual(["logged"]);
});

test("a storage that never answers holds nobody up at the end", async () => {
  const { sink, accept, outcomes, budget } = setUp(() => new Promise(() => undefined));
  accept(...Array.from({ length: 7 }, () => payload(4)));
  const end = new AbortController();
  const flushed = sink.flush(end.signal);
  end.abort();
  await flushed;
  expect(outcomes).toEqual(Array.from({ length: 7 }, () => "shutdown"));
  expect(budget.heldBytes).toBe(0);
});

test("a storage that fails loses the payloads of the file, and no others", async () => {
  let files = 0;
  const { sink, accept, outcomes } = setUp(() =>
    files++ === 0 ? Promise.reject(new Error("full")) : Promise.resolve("created"),
  );
  accept(...Array.from({ length: 4 }, () => payload(4)));
  await sink.flush(AbortSignal.timeout(20_000));
  expect(outcomes).toEqual(["sink", "sink", "sink", "logged"]);
});
