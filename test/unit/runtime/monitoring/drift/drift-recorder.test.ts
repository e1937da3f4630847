import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { parseLearningSketch, writeLearning } from "../../../../../common/drift/learning-sketch.ts";
import { profileHash, profileOf } from "../../../../../common/drift/make-profile.ts";
import { NumericSketch } from "../../../../../common/drift/numeric-sketch.ts";
import { PROFILE_FILE, type Profile } from "../../../../../common/drift/profile.ts";
import { createLogger } from "../../../../../common/logger.ts";
import type { ReplicaDrift } from "../../../../../common/monitoring-api.ts";
import type { ServableView } from "../../../../../runtime/core/servable.ts";
import type { Signature, Tensor } from "../../../../../runtime/core/tensor.ts";
import { DriftRecorder, type DriftRecorderOptions } from "../../../../../runtime/monitoring/drift/drift-recorder.ts";
import { seededRandom } from "../../../../fixtures/random-numbers.ts";

const ID = { name: "m", version: 1 };
const DIGEST = "sha256:aa";
const TIMING = { queueMs: 0, computeMs: 0, batchSize: 1, decodeMs: 0, encodeMs: 0 };
const CONFIG = { enabled: true, referenceRows: 100, windowRows: 200, threshold: 0.1 };

function folderWith(profile?: string): string {
  const folder = mkdtempSync(path.join(tmpdir(), "lockstep-drift-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  if (profile !== undefined) writeFileSync(path.join(folder, PROFILE_FILE), profile);
  return path.join(folder, "model.onnx");
}

function servableOf(signature: Signature, state: ServableView["state"] = []): ServableView {
  return { id: ID, digest: DIGEST, signature, state };
}

const LINEAR: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [{ name: "label", datatype: "INT64", shape: [-1] }],
};

/** A recorder, the clock that it goes by, and the lines that it logs. */
function recorderOf(options: Partial<DriftRecorderOptions> = {}) {
  const lines: string[] = [];
  const clock = { nowMs: 0 };
  const recorder = new DriftRecorder({
    models: [{ name: "m", drift: CONFIG, learnsItself: true }],
    rowsPerSecond: 1_000,
    logger: createLogger({ name: "test", level: "info", destination: { write: (line) => void lines.push(line) } }),
    now: () => clock.nowMs,
    random: seededRandom(1),
    ...options,
  });
  onTestFinished(() => recorder[Symbol.dispose]());
  return { recorder, clock, lines };
}

function fp32(name: string, shape: readonly number[], values: readonly number[]): Tensor {
  return { name, datatype: "FP32", shape, data: Float32Array.from(values) };
}

function ask(
  recorder: DriftRecorder,
  servable: ServableView,
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
): boolean {
  const tapped = recorder.begin(servable, inputs, { requestId: "", clientId: undefined });
  tapped?.answered(outputs, TIMING);
  return tapped !== undefined;
}

/** One row each ms, so that each of them is looked at. */
function askRows(harness: ReturnType<typeof recorderOf>, count: number, shift = 0, random = seededRandom(count)): void {
  for (let row = 0; row < count; row++) {
    harness.clock.nowMs += 1;
    const x = [random() + shift, random()];
    const label: Tensor = { name: "label", datatype: "INT64", shape: [1], data: BigInt64Array.of(BigInt(row % 3)) };
    ask(harness.recorder, servableOf(LINEAR), [fp32("x", [1, 2], x)], [label]);
  }
}

function learned(drift: ReplicaDrift) {
  if (drift.state !== "Learning") throw new Error(`expected Learning, not ${drift.state}`);
  return Object.fromEntries(
    drift.features.map(({ name, side, sketch }) => [`${side} ${name}`, parseLearningSketch(sketch).toJSON()]),
  );
}

async function loaded(harness: ReturnType<typeof recorderOf>, profile?: string): Promise<void> {
  await harness.recorder.loading(ID, folderWith(profile));
  harness.recorder.available(ID, DIGEST);
}

function profileOfRows(rows: number): Profile {
  const random = seededRandom(99);
  const features = ["x[0]", "x[1]"].map((name) => {
    const sketch = new NumericSketch(false);
    for (let row = 0; row < rows; row++) sketch.add(random());
    return { name, side: "input" as const, sketch };
  });
  return profileOf(writeLearning(features), rows);
}

describe("DriftRecorder", () => {
  it("learns from what comes first, and then counts by it", async () => {
    const harness = recorderOf();
    await loaded(harness);
    askRows(harness, 99);
    const before = harness.recorder.describe("m", 1);
    expect(before).toMatchObject({ state: "Learning", rows: 99 });
    expect(Object.keys(learned(before))).toEqual(["input x[0]", "input x[1]", "output label"]);
    expect(learned(before)["output label"]).toMatchObject({ isInteger: true, values: [0, 1, 2], counts: [33, 33, 33] });

    askRows(harness, 1);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Counting", source: "Learned", rows: 0 });
    askRows(harness, 30);
    const drift = harness.recorder.describe("m", 1);
    if (drift.state !== "Counting") throw new Error("expected counts");
    expect(drift.rows).toBe(30);
    expect(drift.features.map(({ counts }) => counts.reduce((a, b) => a + b, 0))).toEqual([30, 30, 30]);
    // Integers of three values are categories.
    expect(drift.features[2]?.counts).toEqual([10, 10, 10, 0]);
  });

  it("finds what has moved in the newest rows, and forgets it when it has moved back", async () => {
    const harness = recorderOf();
    await loaded(harness, JSON.stringify(profileOfRows(500)));
    const state = () => harness.recorder.assess()[0]?.drift;
    askRows(harness, 200);
    expect(state()?.state).toBe("Steady");
    askRows(harness, 200, 0.6);
    expect(state()?.state).toBe("Drifting");
    expect(state()?.features.filter(({ isDrifting }) => isDrifting)).toMatchObject([{ name: "x[0]", side: "input" }]);
    expect(state()?.features[0]?.message).toMatch(/^higher: median/);
    askRows(harness, 220);
    expect(state()?.state).toBe("Steady");
    expect(state()?.windowRows).toBeLessThanOrEqual(200);
  });

  it("takes the profile that was published with the version, and keeps to it", async () => {
    const harness = recorderOf({ models: [{ name: "m", drift: CONFIG, learnsItself: false }] });
    const profile = profileOfRows(300);
    await loaded(harness, JSON.stringify(profile));
    askRows(harness, 10);
    const published = { state: "Counting", source: "Published", profile: profileHash(profile), rows: 10 };
    expect(harness.recorder.profile(profileHash(profile))).toEqual(profile);
    expect(harness.recorder.profile(profileHash(profileOfRows(400)))).toBeUndefined();
    expect(harness.recorder.describe("m", 1)).toMatchObject(published);
    expect(harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: profileOfRows(400) })).toBe(true);
    expect(harness.recorder.describe("m", 1)).toMatchObject(published);
  });

  it.each([
    ["is not JSON", "{"],
    ["is no profile: formatVersion", JSON.stringify({ formatVersion: 2, rows: 1, features: [] })],
    [
      "is no profile: features.0.reference",
      JSON.stringify({
        formatVersion: 1,
        rows: 1,
        features: [
          {
            name: "x",
            side: "input",
            reference: { kind: "numeric", edges: [2, 1], counts: [1, 1, 1], missing: 0, min: 0, max: 3 },
          },
        ],
      }),
    ],
  ])("ignores a profile that %s, says so, and learns", async (problem, text) => {
    const harness = recorderOf();
    await loaded(harness, text);
    askRows(harness, 5);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Learning", rows: 5 });
    expect(harness.lines.join("")).toContain(`lockstep-profile.json ${problem}`);
  });

  it("says which features of a profile the model has not", async () => {
    const harness = recorderOf();
    const [feature] = profileOfRows(300).features;
    if (feature === undefined) throw new Error("expected a feature");
    await loaded(harness, JSON.stringify({ formatVersion: 1, rows: 300, features: [{ ...feature, name: "age" }] }));
    askRows(harness, 1);
    expect(harness.lines.join("")).toContain('"features":["age"]');
  });

  it("waits for a reference where an operator makes it, and counts anew by another one only", async () => {
    const harness = recorderOf({ models: [{ name: "m", drift: CONFIG, learnsItself: false }] });
    await loaded(harness);
    askRows(harness, 250);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Learning", rows: 250 });
    const profile = profileOfRows(300);
    expect(harness.recorder.assign("m", { version: 2, digest: DIGEST, profile: profile })).toBe(false);
    expect(harness.recorder.assign("m", { version: 1, digest: "sha256:bb", profile: profile })).toBe(false);
    expect(harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: profile })).toBe(true);
    askRows(harness, 20);
    expect(harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: structuredClone(profile) })).toBe(true);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Counting", source: "Learned", rows: 20 });
    expect(harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: profileOfRows(301) })).toBe(true);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ rows: 0 });
  });

  it("forgets what it learned, and learns from then on, once for each learning", async () => {
    const harness = recorderOf({ models: [{ name: "m", drift: CONFIG, learnsItself: false }] });
    await loaded(harness);
    const { recorder } = harness;
    const of = { version: 1, digest: DIGEST };
    askRows(harness, 50);
    expect(recorder.assign("m", { ...of, digest: "sha256:bb", profile: undefined, relearn: "b" })).toBe(false);
    expect(recorder.assign("m", { ...of, profile: undefined, relearn: "a" })).toBe(true);
    askRows(harness, 20, 5);
    expect(recorder.assign("m", { ...of, profile: undefined, relearn: "a" })).toBe(true);
    const drift = recorder.describe("m", 1);
    expect(drift).toMatchObject({ state: "Learning", rows: 20, relearn: "a" });
    // Of the rows that came before, nothing is left.
    expect(learned(drift)["input x[0]"]).toMatchObject({ missing: 0 });
    expect(Math.min(...((learned(drift)["input x[0]"] as { values: number[] }).values ?? []))).toBeGreaterThan(4);

    expect(recorder.assign("m", { ...of, profile: profileOfRows(300), relearn: "a" })).toBe(true);
    askRows(harness, 7);
    expect(recorder.assign("m", { ...of, profile: undefined, relearn: "a" })).toBe(true);
    expect(recorder.describe("m", 1)).toMatchObject({ state: "Counting", rows: 7, relearn: "a" });
    expect(recorder.assign("m", { ...of, profile: undefined, relearn: "b" })).toBe(true);
    expect(recorder.describe("m", 1)).toMatchObject({ state: "Learning", rows: 0, relearn: "b" });
  });

  it("forgets a reference too that came before the first request", async () => {
    const harness = recorderOf({ models: [{ name: "m", drift: CONFIG, learnsItself: false }] });
    await loaded(harness);
    harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: profileOfRows(300) });
    harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: undefined, relearn: "a" });
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Learning", rows: 0, relearn: "a" });
    askRows(harness, 3);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Learning", rows: 3, relearn: "a" });
  });

  it("learns nothing anew where a profile was published", async () => {
    const harness = recorderOf({ models: [{ name: "m", drift: CONFIG, learnsItself: false }] });
    await loaded(harness, JSON.stringify(profileOfRows(300)));
    harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: undefined, relearn: "a" });
    askRows(harness, 3);
    harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: undefined, relearn: "b" });
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Counting", source: "Published", rows: 3 });
  });

  it("takes a reference before the first request", async () => {
    const harness = recorderOf();
    await loaded(harness);
    expect(harness.recorder.assign("m", { version: 1, digest: DIGEST, profile: profileOfRows(300) })).toBe(true);
    askRows(harness, 3);
    expect(harness.recorder.describe("m", 1)).toMatchObject({ state: "Counting", source: "Learned", rows: 3 });
  });

  it("looks at no more rows a second than it may, however many come, also of large requests", async () => {
    const harness = recorderOf({ rowsPerSecond: 100 });
    await loaded(harness);
    const rows = Array.from({ length: 128 }, (_, at) => at);
    for (let ms = 0; ms < 10_000; ms++) {
      harness.clock.nowMs = ms;
      const inputs = [fp32("x", ms % 2 === 0 ? [64, 2] : [1, 2], ms % 2 === 0 ? rows : [1, 2])];
      ask(harness.recorder, servableOf(LINEAR), inputs, []);
      // As the timer would.
      if (ms % 50 === 0) harness.recorder.describe("m", 1);
    }
    harness.recorder.describe("m", 1);
    const [{ sampled, dropped } = { sampled: 0, dropped: 0 }] = harness.recorder.sampledRows();
    expect(sampled).toBeGreaterThan(950);
    expect(sampled).toBeLessThanOrEqual(1_010);
    expect(dropped).toBe(0);
  });

  it("keeps no more than it can count, and counts what it leaves out", async () => {
    const harness = recorderOf({ rowsPerSecond: 10_000 });
    await loaded(harness);
    askRows(harness, 300);
    harness.recorder.describe("m", 1);
    expect(harness.recorder.sampledRows()).toEqual([{ model: "m", sampled: 256, dropped: 44 }]);
  });

  it("copies values when a request begins: whoever owns them afterwards may overwrite them", async () => {
    const harness = recorderOf();
    await loaded(harness);
    harness.clock.nowMs = 1;
    const x = fp32("x", [1, 2], [5, 6]);
    const tapped = harness.recorder.begin(servableOf(LINEAR), [x], { requestId: "", clientId: undefined });
    x.data.fill(0 as never);
    tapped?.failed(new Error("no answer"));
    expect(learned(harness.recorder.describe("m", 1))["input x[0]"]).toMatchObject({ values: [5], counts: [1] });
  });

  it("watches every kind of tensor by what can be said of it, and states of sequences not at all", async () => {
    const signature: Signature = {
      inputs: [
        { name: "text", datatype: "BYTES", shape: [-1, 1] },
        { name: "flag", datatype: "BOOL", shape: [-1] },
        { name: "half", datatype: "FP16", shape: [-1] },
        { name: "image", datatype: "UINT8", shape: [-1, 8, 8] },
        { name: "free", datatype: "FP32", shape: [-1, -1] },
        { name: "rate", datatype: "INT64", shape: [] },
        { name: "state", datatype: "FP32", shape: [2, -1, 4] },
      ],
      outputs: [{ name: "stateN", datatype: "FP32", shape: [2, -1, 4] }],
    };
    const servable = servableOf(signature, [{ input: "state", output: "stateN" }]);
    const harness = recorderOf();
    await loaded(harness);
    harness.clock.nowMs = 1;
    const image = Uint8Array.from({ length: 64 }, (_, at) => (at < 8 ? 16 : 0));
    ask(
      harness.recorder,
      servable,
      [
        { name: "text", datatype: "BYTES", shape: [1, 1], data: ["hello"] },
        { name: "flag", datatype: "BOOL", shape: [1], data: Uint8Array.of(1) },
        { name: "half", datatype: "FP16", shape: [1], data: Uint16Array.of(0x3c00) },
        { name: "image", datatype: "UINT8", shape: [1, 8, 8], data: image },
        fp32("free", [1, 3], [1, 2, Number.NaN]),
        { name: "rate", datatype: "INT64", shape: [], data: BigInt64Array.of(16_000n) },
        fp32("state", [2, 1, 4], [0, 0, 0, 0, 0, 0, 0, 0]),
      ],
      [fp32("stateN", [2, 1, 4], [0, 0, 0, 0, 0, 0, 0, 0])],
    );
    const features = learned(harness.recorder.describe("m", 1));
    const one = (name: string) => features[`input ${name}`];
    expect(one("text")).toMatchObject({ kind: "categorical", values: ["hello"] });
    expect(one("text.length")).toMatchObject({ kind: "numeric", values: [5] });
    expect(one("flag")).toMatchObject({ kind: "categorical", values: ["true"] });
    expect(one("half")).toMatchObject({ values: [1] });
    expect(one("rate")).toMatchObject({ values: [16_000], isInteger: true });
    expect(one("image.mean")).toMatchObject({ values: [2] });
    expect(one("image.std")?.values[0]).toBeCloseTo(Math.sqrt(28), 12);
    expect(one("image.min")).toMatchObject({ values: [0] });
    expect(one("image.max")).toMatchObject({ values: [16] });
    expect(one("image.zeros")).toMatchObject({ values: [0.875] });
    expect(one("image.part[0]")).toMatchObject({ values: [16] });
    expect(one("image.part[7]")).toMatchObject({ values: [0] });
    expect(one("free.mean")).toMatchObject({ values: [1.5], missing: 0 });
    expect(Object.keys(features).filter((name) => name.includes("state"))).toEqual([]);
  });

  it("is off for models that are not watched, and forgets versions that are gone", async () => {
    const off = recorderOf({ models: [{ name: "m", drift: { ...CONFIG, enabled: false }, learnsItself: true }] });
    expect(off.recorder.isOn).toBe(false);
    expect(recorderOf({ rowsPerSecond: 0 }).recorder.isOn).toBe(false);
    const harness = recorderOf();
    await loaded(harness);
    askRows(harness, 1);
    harness.recorder.unloaded(ID);
    askRows(harness, 1);
    expect(harness.recorder.describe("m", 1)).toEqual({ state: "Off" });
  });

  it("does not mind a tensor that is not what the signature says", async () => {
    const harness = recorderOf();
    await loaded(harness);
    harness.clock.nowMs = 1;
    ask(harness.recorder, servableOf(LINEAR), [fp32("x", [1, 3], [1, 2, 3])], []);
    expect(learned(harness.recorder.describe("m", 1))["input x[0]"]).toMatchObject({ values: [] });
  });
});
