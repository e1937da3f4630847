/**
 * `node bench/drift-power.ts [--diabetes ROWS.json] [--digits ROWS.json] [--windows 20000]`: what the watch on drift finds, and how
 * often it is wrong, of made data and of real rows ({columns, rows}). All of it is drawn from seeds. Figures are in docs/drift.md.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ModelProfileBuilder } from "../cli/profile-builder.ts";
import { valuesOfRow } from "../cli/profile-columns.ts";
import { assessDrift, type ProfileDrift } from "../common/drift/assess-drift.ts";
import { CategoricalSketch } from "../common/drift/categorical-sketch.ts";
import { FeatureCounter } from "../common/drift/feature-counter.ts";
import { writeLearning } from "../common/drift/learning-sketch.ts";
import { profileOf } from "../common/drift/make-profile.ts";
import { NumericSketch } from "../common/drift/numeric-sketch.ts";
import type { Profile } from "../common/drift/profile.ts";
import { feedFeatures } from "../runtime/monitoring/drift/feed-features.ts";
import { seededRandom } from "../test/fixtures/random-numbers.ts";

const { values: args } = parseArgs({
  options: {
    diabetes: { type: "string" },
    digits: { type: "string" },
    windows: { type: "string", default: "20000" },
  },
});
const OPTIONS = { threshold: 0.1, minRows: 200 };
const WINDOW_ROWS = 2_000;
const REFERENCE_ROWS = 1_000;
/** What is asked of the p-value with so many features, each 10 s. */
const significanceOf = (features: number): number => 0.01 / (8_640 * features);

type Random = () => number;
const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Kinds of made features. */
const KINDS: Readonly<Record<string, (random: Random) => number | string>> = {
  normal,
  "log-normal": (random) => Math.exp(2 * normal(random)),
  "97 % zeros": (random) => (random() < 0.97 ? 0 : normal(random)),
  "12 integers": (random) => Math.floor(12 * random() ** 2),
  "8 words": (random) => "abcdefgh"[Math.floor(random() ** 3 * 8)] ?? "",
  "5 % missing": (random) => (random() < 0.05 ? Number.NaN : random()),
};

function referenceOf(kind: (random: Random) => number | string, random: Random, rows: number): Profile {
  const isWords = typeof kind(random) === "string";
  const sketch = isWords ? new CategoricalSketch() : new NumericSketch(false);
  for (let row = 0; row < rows; row++) {
    const value = kind(random);
    if (sketch.kind === "categorical") sketch.add(String(value));
    else sketch.add(Number(value));
  }
  return profileOf(writeLearning([{ name: "x", side: "input", sketch }]), rows);
}

function assess(
  profile: Profile,
  value: (random: Random) => number | string,
  random: Random,
  features: number,
): ProfileDrift {
  const [feature] = profile.features;
  if (feature === undefined) throw new Error("unreachable: the profile has one feature");
  const counter = new FeatureCounter(feature.reference);
  for (let row = 0; row < WINDOW_ROWS; row++) {
    const each = value(random);
    if (typeof each === "string") counter.addCategory(each);
    else counter.addNumber(each);
  }
  // As one of so many features: the level is divided by them.
  const falseAlarmsPerDay = 0.01 / features;
  return assessDrift(profile, { rows: WINDOW_ROWS, features: [counter.read()] }, { ...OPTIONS, falseAlarmsPerDay });
}

function power(): void {
  console.log(
    `\nFound, of 400 trials: normal values, ${REFERENCE_ROWS} reference rows, ${WINDOW_ROWS} rows, one feature of 70`,
  );
  const random = seededRandom(1);
  const changes: [string, (random: Random) => number][] = [
    ...[0, 0.2, 0.3, 0.4, 0.5, 0.75, 1].map((shift): [string, (random: Random) => number] => [
      `shift by ${shift} sigma`,
      (each) => normal(each) + shift,
    ]),
    ["1.3 times as wide", (each) => normal(each) * 1.3],
    ["1.5 times as wide", (each) => normal(each) * 1.5],
    ["5 % missing", (each) => (each() < 0.05 ? Number.NaN : normal(each))],
  ];
  for (const [name, value] of changes) {
    let [found, psi] = [0, 0];
    for (let trial = 0; trial < 400; trial++) {
      const { state, features } = assess(referenceOf(normal, random, REFERENCE_ROWS), value, random, 70);
      if (state === "Drifting") found++;
      psi += (features[0]?.psi ?? 0) / 400;
    }
    console.log(`  ${name.padEnd(22)} ${String(found).padStart(3)}  mean PSI ${psi.toFixed(3)}`);
  }
}

function falseAlarms(windows: number): void {
  console.log(
    `\nNothing has moved: ${windows} windows that have no row in common of each kind, 25 against each reference`,
  );
  const levels = [1e-2, 1e-3, 1e-4, 1e-5];
  console.log(`  ${"".padEnd(30)}alarms  p below ${levels.join(", ")}; least p; greatest PSI (threshold 0.1)`);
  for (const rows of [100, REFERENCE_ROWS]) {
    for (const [name, kind] of Object.entries(KINDS)) {
      const random = seededRandom(2);
      let [alarms, least, most] = [0, 1, 0];
      const below = levels.map(() => 0);
      let profile = referenceOf(kind, random, rows);
      for (let at = 0; at < windows; at++) {
        if (at % 25 === 0) profile = referenceOf(kind, random, rows);
        const { state, features } = assess(profile, kind, random, 70);
        const { pValue, psi } = features[0] ?? { pValue: 1, psi: 0 };
        if (state === "Drifting") alarms++;
        levels.forEach((level, index) => (below[index] = (below[index] ?? 0) + (pValue < level ? 1 : 0)));
        [least, most] = [Math.min(least, pValue), Math.max(most, psi)];
      }
      const shares = below.map((count) => (count / windows).toExponential(1)).join(", ");
      console.log(
        `  ${`${name}, ${rows} rows`.padEnd(30)}${String(alarms).padStart(4)}  ${shares}; ${least.toExponential(1)}; ${most.toFixed(3)}`,
      );
    }
  }
  console.log(`  (an alarm of one feature of 70 needs p below ${significanceOf(70).toExponential(1)})`);
}

type Change = (row: readonly number[], random: Random) => number[];

/**
 * Rows of a file. `halves`: one random half is the reference, and windows are drawn of the other one, whose rows come again and again:
 * such a window is no sample of what the reference is one of. `all`: reference and windows are drawn of all rows.
 */
function realRows(
  title: string,
  file: string,
  changes: Readonly<Record<string, Change>>,
  scheme: "halves" | "all",
): void {
  const { rows } = JSON.parse(readFileSync(file, "utf8")) as { rows: number[][] };
  const width = rows[0]?.length ?? 0;
  const signature = { inputs: [{ name: "input", datatype: "FP32" as const, shape: [-1, width] }], outputs: [] };
  const trials = 40;
  console.log(
    `\n${title}: ${rows.length} rows, ${width} columns, ${scheme}; ${trials} references, 10 windows of each unchanged, 1 changed`,
  );
  const random = seededRandom(3);
  const found = new Map<string, { found: number; psi: number; features: Map<string, number>; windows: number }>();
  for (let trial = 0; trial < trials; trial++) {
    const shuffled = rows.map((row) => [random(), row] as const).sort(([a], [b]) => a - b);
    const half = Math.floor(rows.length / 2);
    const builder = new ModelProfileBuilder(signature, ["input"]);
    const referenceRows =
      scheme === "halves"
        ? shuffled.slice(0, half).map(([, row]) => row)
        : Array.from({ length: REFERENCE_ROWS }, () => rows[Math.floor(random() * rows.length)] ?? []);
    for (const row of referenceRows) builder.add({ input: row }, file);
    const profile = profileOf(builder.features(), referenceRows.length);
    const others = scheme === "halves" ? shuffled.slice(half).map(([, row]) => row) : rows;
    for (const [name, change] of Object.entries(changes)) {
      const tally = found.get(name) ?? { found: 0, psi: 0, features: new Map<string, number>(), windows: 0 };
      found.set(name, tally);
      for (let at = 0; at < (name === "unchanged" ? 10 : 1); at++) {
        const counters = new Map(
          profile.features.map(({ name: key, reference }) => [key, new FeatureCounter(reference)]),
        );
        const drawn = Array.from({ length: WINDOW_ROWS }, () =>
          change(others[Math.floor(random() * others.length)] ?? [], random),
        );
        countRows(builder, drawn, counters);
        const features = profile.features.map(
          ({ name: key }) => counters.get(key)?.read() ?? { counts: [], missing: 0, outOfRange: 0 },
        );
        const drift = assessDrift(profile, { rows: WINDOW_ROWS, features }, OPTIONS);
        tally.windows++;
        if (drift.state === "Drifting") tally.found++;
        tally.psi += Math.max(...drift.features.map(({ psi }) => psi));
        const drifting = drift.features.filter(({ isDrifting }) => isDrifting);
        for (const { name: key } of drifting) tally.features.set(key, (tally.features.get(key) ?? 0) + 1);
      }
    }
  }
  for (const [name, tally] of found) {
    const most = [...tally.features].sort(([, a], [, b]) => b - a).slice(0, 4);
    const shown = most.map(([feature, count]) => `${feature} ${count}`).join(", ");
    console.log(
      `  ${name.padEnd(28)} ${tally.found} of ${tally.windows}, greatest PSI on average ${(tally.psi / tally.windows).toFixed(2)}  ${shown}`,
    );
  }
}

function countRows(
  { map }: ModelProfileBuilder,
  rows: readonly (readonly number[])[],
  counters: ReadonlyMap<string, FeatureCounter>,
): void {
  for (const row of rows) {
    for (const tensor of map.tensors) {
      const sinks = tensor.plan.features.map((feature) => counters.get(feature.name));
      feedFeatures(valuesOfRow(tensor, { input: row }, "rows"), sinks);
    }
  }
}

function deviation(rows: readonly (readonly number[])[], column: number): number {
  const values = rows.map((row) => row[column] ?? 0);
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

if (Number(args.windows) > 0) {
  power();
  falseAlarms(Number(args.windows));
}
if (args.diabetes !== undefined) {
  const { rows } = JSON.parse(readFileSync(args.diabetes, "utf8")) as { rows: number[][] };
  const moved = (sigmas: number): Change => {
    const by = deviation(rows, 2) * sigmas;
    return (row) => row.map((value, column) => (column === 2 ? value + by : value));
  };
  const changes: Record<string, Change> = {
    unchanged: (row) => [...row],
    "bmi up by 0.5 sigma": moved(0.5),
    "bmi up by 1 sigma": moved(1),
    "bmi missing in 10 %": (row, random) =>
      row.map((value, column) => (column === 2 && random() < 0.1 ? Number.NaN : value)),
    "bmi in other units (x 0.2)": (row) => row.map((value, column) => (column === 2 ? value * 0.2 : value)),
  };
  for (const scheme of ["halves", "all"] as const) realRows("diabetes", args.diabetes, changes, scheme);
}
if (args.digits !== undefined) {
  const side = 8;
  const changes: Record<string, Change> = {
    unchanged: (row) => [...row],
    "noise of 1 (of 16)": (row, random) => row.map((value) => Math.min(16, Math.max(0, value + normal(random)))),
    "noise of 4 (of 16)": (row, random) => row.map((value) => Math.min(16, Math.max(0, value + 4 * normal(random)))),
    "rotated by 90 degrees": (row) =>
      row.map((_, at) => row[(at % side) * side + (side - 1 - Math.floor(at / side))] ?? 0),
    inverted: (row) => row.map((value) => 16 - value),
  };
  for (const scheme of ["halves", "all"] as const) realRows("digits", args.digits, changes, scheme);
}
