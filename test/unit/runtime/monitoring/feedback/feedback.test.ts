import { describe, expect, onTestFinished, test } from "vitest";
import type { OutcomeSums } from "../../../../../common/monitoring-api.ts";
import { parseRuntimeConfig, type FeedbackConfig } from "../../../../../common/runtime-config.ts";
import { Feedback } from "../../../../../runtime/monitoring/feedback/feedback.ts";
import { MAX_STRAYS, STRAY_AGE_MS } from "../../../../../runtime/monitoring/feedback/stray-outcomes.ts";
import { eventually } from "../../../../eventually.ts";
import { floats, labels, servableOf, TIMING } from "../../../../fixtures/payload-fixtures.ts";

const INPUTS = [floats("input", [1, 2, 3, 4], [1, 4])];

function setUp(config: Partial<FeedbackConfig> = {}) {
  const [model] = parseRuntimeConfig({
    configVersion: 1,
    service: { namespace: "default", name: "iris" },
    models: [{ name: "iris", format: "onnx", storageUri: "file:///iris", feedback: config }],
  }).models;
  if (model === undefined) throw new Error("expected a model");
  const results: string[] = [];
  const sums: [number, OutcomeSums][] = [];
  const clock = { nowMs: 0 };
  const feedback = new Feedback({
    models: [model],
    observer: {
      feedback: (name, version, result, count) => results.push(`${name} ${version ?? "-"} ${result} ${count}`),
      outcomes: (_model, version, added) => sums.push([version, added]),
    },
    elapsed: () => clock.nowMs,
    afterTurn: () => Promise.resolve(),
  });
  onTestFinished(() => feedback[Symbol.dispose]());
  const predict = (
    requestId: string,
    label: readonly number[],
    options: { clientId?: string; version?: number; digest?: string } = {},
  ): void => {
    feedback.tap
      ?.begin(servableOf(options.version, options.digest), INPUTS, { requestId, clientId: options.clientId })
      ?.answered([labels("label", label), floats("probabilities", [1, 0, 0], [1, 3])], TIMING);
  };
  const tell = async (requestId: string, values: (string | number | boolean)[], version?: number) =>
    (await feedback.take("iris", version, [{ requestId, values }]))[0];
  return { feedback, predict, tell, results, sums, clock };
}

describe("an outcome", () => {
  test("is joined with its prediction, once", async () => {
    const { feedback, predict, tell, results } = setUp();
    predict("a", [1]);
    predict("b", [2, 0]);
    expect(await tell("a", [1])).toEqual({ result: "joined" });
    expect(await tell("a", [0])).toEqual({ result: "duplicate" });
    expect(await tell("b", [2, 1])).toEqual({ result: "joined" });
    expect(feedback.describe("iris", 3)).toMatchObject({ joined: 3, labels: 3, correct: 2 });
    expect(results).toEqual(["iris 3 joined 1", "iris 3 duplicate 1", "iris 3 joined 1"]);
  });

  test("finds its prediction by the id that the request's body had", async () => {
    const { predict, tell } = setUp();
    predict("a", [1], { clientId: "mine" });
    predict("", [1], { clientId: "of a stream" });
    expect(await tell("mine", [1])).toEqual({ result: "joined" });
    expect(await tell("a", [1])).toEqual({ result: "duplicate" });
    expect(await tell("of a stream", [1])).toEqual({ result: "joined" });
  });

  test("that does not fit is refused, and another one may come", async () => {
    const { feedback, predict, tell } = setUp();
    predict("a", [1]);
    expect(await tell("a", [1, 2])).toEqual({ result: "refused", problem: "outcome: expected one value, got 2" });
    expect(await tell("a", [1], 2)).toEqual({
      result: "refused",
      problem: "id: expected one of a prediction of version 2, got one of version 3",
    });
    expect(feedback.describe("iris", 3)).toMatchObject({ joined: 0 });
    expect(await tell("a", [1], 3)).toEqual({ result: "joined" });
  });

  test("counts for the version that predicted, and a new file under the same number begins anew", async () => {
    const { feedback, predict, tell } = setUp();
    predict("a", [1], { version: 3 });
    predict("b", [1], { version: 4 });
    await tell("a", [1]);
    await tell("b", [0]);
    expect(feedback.describe("iris", 3)).toMatchObject({ joined: 1, correct: 1 });
    expect(feedback.describe("iris", 4)).toMatchObject({ joined: 1, correct: 0 });
    expect(feedback.describe("iris", 5)).toBeUndefined();
    predict("c", [1], { version: 4, digest: "sha256:other" });
    expect(feedback.describe("iris", 4)).toMatchObject({ joined: 0 });
  });

  test("of a forgotten prediction waits as if nobody had known it", async () => {
    const { predict, tell } = setUp({ maxPredictions: 2 });
    for (const id of ["a", "b", "c"]) predict(id, [1]);
    expect(await tell("a", [1])).toEqual({ result: "waiting" });
    expect(await tell("c", [1])).toEqual({ result: "joined" });
  });

  test("is compared with the output that was named", async () => {
    const { predict, tell, feedback } = setUp({ output: "probabilities" });
    predict("a", [2]);
    await tell("a", [0]);
    expect(feedback.describe("iris", 3)).toMatchObject({ correct: 1 });
  });
});

describe("an outcome whose prediction is not known", () => {
  test("waits, is told of with a number that grows, and is not taken twice", async () => {
    const { feedback, tell } = setUp();
    expect(await tell("x", [1])).toEqual({ result: "waiting" });
    expect(await tell("x", [2])).toEqual({ result: "duplicate" });
    expect(await tell("y", ["cat"])).toEqual({ result: "waiting" });
    expect(feedback.strayOutcomes("iris")).toEqual([
      { requestId: "x", values: [1], number: 1 },
      { requestId: "y", values: ["cat"], number: 2 },
    ]);
  });

  test("is joined by the replica that it is forwarded to, once, and waits nowhere else", async () => {
    const { feedback, predict, results } = setUp();
    predict("a", [1]);
    const forwarded = {
      model: "iris",
      outcomes: [
        { requestId: "a", values: [1] },
        { requestId: "b", values: [1] },
      ],
    };
    await feedback.takeForwarded(forwarded);
    await feedback.takeForwarded(forwarded);
    await feedback.takeForwarded({ ...forwarded, model: "another" });
    expect(feedback.describe("iris", 3)).toMatchObject({ joined: 1, correct: 1 });
    expect(feedback.strayOutcomes("iris")).toEqual([]);
    expect(results).toEqual(["iris 3 joined 1", "iris 3 duplicate 1"]);
  });

  test("is joined when the prediction comes later", async () => {
    const { feedback, predict, tell } = setUp();
    await tell("a", [1]);
    predict("a", [1]);
    await eventually("the join", async () => (feedback.describe("iris", 3)?.joined === 1 ? true : undefined), {
      withinMs: 20_000,
      everyMs: 20,
    });
    expect(feedback.strayOutcomes("iris")).toEqual([]);
  });

  test("is given up when it is old, or others need its place", async () => {
    const { feedback, tell, clock, results } = setUp();
    await tell("old", [1]);
    clock.nowMs = STRAY_AGE_MS - 1;
    await tell("young", [1]);
    clock.nowMs = STRAY_AGE_MS;
    await tell("youngest", [1]);
    expect(feedback.strayOutcomes("iris").map(({ requestId }) => requestId)).toEqual(["young", "youngest"]);
    expect(results).toContain("iris - expired 1");
    for (let index = 0; index < MAX_STRAYS; index++) await tell(`id-${index}`, [1]);
    expect(feedback.strayOutcomes("iris")).toHaveLength(MAX_STRAYS);
    expect(feedback.strayOutcomes("iris")[0]?.requestId).toBe("id-0");
  });
});

test("nothing is watched where feedback is switched off", () => {
  const { feedback } = setUp({ enabled: false });
  expect(feedback.tap).toBeUndefined();
  expect(feedback.isEnabled("iris")).toBe(false);
  expect(feedback.describe("iris", 3)).toBeUndefined();
  expect(feedback.strayOutcomes("iris")).toEqual([]);
});
