import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parquetWriteFile } from "hyparquet-writer";
import { expect, test } from "vitest";
import { parseProfile, type Profile } from "../../common/drift/profile.ts";
import { MONITORING_PATH, parseReplicaMonitoring, PROFILE_PATH } from "../../common/monitoring-api.ts";
import { seededRandom } from "../fixtures/random-numbers.ts";
import {
  EXAMPLES,
  eventually,
  infer,
  ProcessUnderTest,
  ROOT,
  startReplicaProcess,
  temporaryFolder,
} from "./runtime-under-test.ts";

const MODEL = path.join(EXAMPLES, "models/iris/1/model.onnx");
const COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"];

async function lockstep(...args: readonly string[]): Promise<string> {
  const environment = { XDG_CACHE_HOME: await temporaryFolder(), NO_COLOR: "1" };
  const cli = new ProcessUnderTest([path.join(ROOT, "cli/lockstep.mjs"), ...args], environment);
  const { code } = await cli.exited;
  if (code !== 0) throw new Error(`it ended with ${code}:\n${cli.output}`);
  return cli.output;
}

/** Rows of iris, about. */
function rowOf(random: () => number, shift: number): number[] {
  const value = (mean: number) => mean + (random() + random() + random() - 1.5) * 2;
  return [value(5.8) + shift, value(3), value(3.8), value(1.2)];
}

async function ask(url: string, rows: number, shift: number, random: () => number): Promise<void> {
  for (let row = 0; row < rows; row += 8) {
    const data = Array.from({ length: 8 }, () => rowOf(random, shift)).flat();
    const body = JSON.stringify({ inputs: [{ name: "input", datatype: "FP32", shape: [8, 4], data }] });
    const response = await infer(url, "iris", body);
    expect(response.status).toBe(200);
    await response.text();
  }
}

async function metric(url: string, series: string): Promise<number | undefined> {
  const page = await (await fetch(`${url}/metrics`)).text();
  const line = page.split("\n").find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

test("a profile of rows goes with the model that is pushed, and metrics tell which input moves away from it", async () => {
  const folder = await temporaryFolder();
  const random = seededRandom(5);
  const rows = Array.from({ length: 1_000 }, () => rowOf(random, 0).join(","));
  await writeFile(path.join(folder, "model.onnx"), await readFile(MODEL));
  await writeFile(path.join(folder, "rows.csv"), [COLUMNS.join(","), ...rows].join("\n"));
  const profile = path.join(folder, "lockstep-profile.json");
  const shown = await lockstep("profile", path.join(folder, "rows.csv"), "--model", folder, "-o", profile, "--no-run");
  expect(shown).toContain("not watched, as they are no columns and the model is not asked: label, probabilities");
  expect(shown).toMatch(/^Profile of 1000 rows, 4 features/m);
  expect(shown).toMatch(/^ {2}input +input\[0\] +numeric +20 +0\.0 % +\d.* to \d.*, median 5\.\d+$/m);
  expect(await lockstep("push", folder, path.join(folder, "repository/iris"))).toContain("lockstep-profile.json");

  const { url } = await startReplicaProcess({
    LOCKSTEP_STORAGE_URI: `file://${folder}/repository/iris`,
    LOCKSTEP_DRIFT_ROWS_PER_SECOND: "10000",
  });
  await eventually(
    async () => ((await fetch(`${url}/v2/models/iris/ready`)).ok ? true : undefined),
    () => "the model to be ready",
  );
  const drifting = () => metric(url, 'lockstep_drift_features{model="iris",version="1"}');
  const psi = (feature: string) =>
    metric(url, `lockstep_drift_psi{model="iris",version="1",side="input",feature="${feature}"}`);
  await ask(url, 600, 0, random);
  expect(await drifting()).toBe(0);
  expect(await psi("input[0]")).toBeLessThan(0.1);
  await ask(url, 2_000, 1.5, random);
  expect(await drifting()).toBe(1);
  expect(await psi("input[0]")).toBeGreaterThan(0.25);
  expect(await psi("input[1]")).toBeLessThan(0.1);
  expect(await metric(url, 'lockstep_drift_sampled_rows_total{model="iris"}')).toBeGreaterThan(1_000);
});

/** Rows about as a model's samples have them. */
async function rowsLikeSamples(model: string, count: number): Promise<number[][]> {
  const samples = JSON.parse(await readFile(path.join(EXAMPLES, `models/${model}/samples.json`), "utf8")) as {
    "1": { request: { inputs: [{ shape: [number, number]; data: number[] }] } };
  };
  const [{ shape, data }] = samples["1"].request.inputs;
  const [rows, width] = shape;
  const random = seededRandom(8);
  return Array.from({ length: count }, (_, row) =>
    data.slice((row % rows) * width, ((row % rows) + 1) * width).map((value) => value * (0.8 + 0.4 * random())),
  );
}

/** With so few rows at a time that the replica looks at each of them. */
async function askRows(url: string, model: string, rows: readonly (readonly number[])[]): Promise<void> {
  for (let at = 0; at < rows.length; at += 2) {
    const some = rows.slice(at, at + 2);
    const shape = [some.length, some[0]?.length ?? 0];
    const body = JSON.stringify({ inputs: [{ name: "input", datatype: "FP32", shape, data: some.flat() }] });
    const response = await infer(url, model, body);
    expect(response.status).toBe(200);
    await response.text();
  }
}

async function startWatched(storageUri: string, model: string): Promise<{ url: string; adminUrl: string }> {
  const { url, process } = await startReplicaProcess({
    LOCKSTEP_STORAGE_URI: storageUri,
    LOCKSTEP_MODEL_NAME: model,
    LOCKSTEP_DRIFT_ROWS_PER_SECOND: "10000",
  });
  await eventually(
    async () => ((await fetch(`${url}/v2/models/${model}/ready`)).ok ? true : undefined),
    () => "the model to be ready",
  );
  return { url, adminUrl: `http://127.0.0.1:${await process.waitFor(/"adminPort":(\d+)/)}` };
}

/** The reference that a replica has made of its first rows. */
async function learnedBy(adminUrl: string): Promise<Profile> {
  const { models } = parseReplicaMonitoring(await (await fetch(`${adminUrl}${MONITORING_PATH}`)).json());
  const drift = models[0]?.versions[0]?.drift;
  if (drift?.state !== "Counting") throw new Error(`it is ${drift?.state}`);
  expect(drift.source).toBe("Learned");
  return parseProfile(await (await fetch(`${adminUrl}${PROFILE_PATH}?hash=${drift.profile}`)).json());
}

/** With the digits that do not depend on how many rows are run together. */
function rounded(profile: Profile): unknown {
  return JSON.parse(JSON.stringify(profile), (_key, value: unknown) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value,
  );
}

test.each(["iris", "diabetes", "digits"])(
  "the profile of rows and of what %s answers is the one that a replica makes of the same requests",
  async (model) => {
    const folder = await temporaryFolder();
    const rows = await rowsLikeSamples(model, 1_000);
    await writeFile(
      path.join(folder, "model.onnx"),
      await readFile(path.join(EXAMPLES, `models/${model}/1/model.onnx`)),
    );
    await writeFile(path.join(folder, "rows.ndjson"), rows.map((input) => JSON.stringify({ input })).join("\n"));
    const out = path.join(folder, "profile.json");
    await lockstep("profile", path.join(folder, "rows.ndjson"), "--model", folder, "-o", out);
    const made = parseProfile(JSON.parse(await readFile(out, "utf8")));
    expect(made.features.some(({ side }) => side === "output")).toBe(true);

    const { url, adminUrl } = await startWatched(`file://${EXAMPLES}/models/${model}/1/model.onnx`, model);
    await askRows(url, model, rows);
    expect(rounded(await learnedBy(adminUrl))).toEqual(rounded(made));
  },
);

test("answers that move are found beside the profile of a model's answers, where inputs do not", async () => {
  const folder = await temporaryFolder();
  const rows = await rowsLikeSamples("digits", 1_000);
  await writeFile(path.join(folder, "rows.ndjson"), rows.map((input) => JSON.stringify({ input })).join("\n"));
  const profiled = path.join(folder, "lockstep-profile.json");
  await lockstep(
    "profile",
    path.join(folder, "rows.ndjson"),
    "--model",
    path.join(EXAMPLES, "models/digits/1"),
    "-o",
    profiled,
  );
  /** What a replica finds of the same rows, where a version of the model is published with that profile. */
  const driftOf = async (version: number): Promise<Readonly<Record<"features" | "input" | "output", number>>> => {
    const published = path.join(folder, String(version));
    await mkdir(published);
    const model = path.join(EXAMPLES, `models/digits/${version}/model.onnx`);
    await writeFile(path.join(published, "model.onnx"), await readFile(model));
    await writeFile(path.join(published, "lockstep-profile.json"), await readFile(profiled));
    const { url } = await startWatched(`file://${published}`, "digits");
    await askRows(url, "digits", rows);
    const found = async (series: string): Promise<number> => (await metric(url, series)) ?? Number.NaN;
    const of = 'model="digits",version="1"';
    return {
      features: await found(`lockstep_drift_features{${of}}`),
      input: await found(`lockstep_drift_psi{${of},side="input",feature="input.mean"}`),
      output: await found(`lockstep_drift_psi{${of},side="output",feature="probabilities[0]"}`),
    };
  };
  const same = await driftOf(1);
  expect(same.features).toBe(0);
  expect(Math.max(same.input, same.output)).toBeLessThan(0.01);
  const other = await driftOf(2);
  expect(other.features).toBeGreaterThan(0);
  expect(other.input).toBeLessThan(0.01);
  expect(other.output).toBeGreaterThan(0.25);
});

test("rows that the model does not answer are told by number and reason, and the others are profiled", async () => {
  const folder = await temporaryFolder();
  const texts = Array.from({ length: 40 }, (_, at) => ({ text: at === 12 ? "a\0b" : `a text of ${at} words` }));
  await writeFile(path.join(folder, "rows.json"), JSON.stringify(texts));
  const out = path.join(folder, "profile.json");
  const shown = await lockstep(
    "profile",
    path.join(folder, "rows.json"),
    "--model",
    path.join(EXAMPLES, "models/topic/1"),
    "-o",
    out,
  );
  expect(shown).toMatch(/note: the model does not answer 1 of 40 rows, of which the profile has the inputs only/);
  expect(shown).toMatch(/rows\.json, row 13: input "text": has a text with a NUL character/);
  const { features } = parseProfile(JSON.parse(await readFile(out, "utf8")));
  const rowsOf = (name: string): number | undefined =>
    features.find((feature) => feature.name === name)?.reference.counts.reduce((sum, count) => sum + count, 0);
  expect(rowsOf("text.length")).toBe(40);
  expect(rowsOf("label")).toBe(39);
});

test("a profile that is broken does not keep its version from being served", async () => {
  const folder = await temporaryFolder();
  await writeFile(path.join(folder, "model.onnx"), await readFile(MODEL));
  await writeFile(path.join(folder, "lockstep-profile.json"), '{"formatVersion":7}');
  await lockstep("push", folder, path.join(folder, "repository/iris"));
  const { url, process } = await startReplicaProcess({ LOCKSTEP_STORAGE_URI: `file://${folder}/repository/iris` });
  expect(await process.waitFor(/lockstep-profile\.json is no profile: .*: it is ignored/)).toContain("formatVersion");
  await eventually(
    async () => ((await fetch(`${url}/v2/models/iris/ready`)).ok ? true : undefined),
    () => "the model to be ready",
  );
});

test("rows of every format make the same profile", async () => {
  const folder = await temporaryFolder();
  const random = seededRandom(6);
  const rows = Array.from({ length: 300 }, () => rowOf(random, 0));
  const objects = rows.map((row) => Object.fromEntries(COLUMNS.map((column, at) => [column, row[at]])));
  const columnData = COLUMNS.map((name, at) => ({ name, data: rows.map((row) => row[at]), type: "DOUBLE" as const }));
  parquetWriteFile({ filename: path.join(folder, "rows.parquet"), columnData });
  await writeFile(path.join(folder, "rows.csv"), [COLUMNS, ...rows].map((row) => row.join(",")).join("\r\n"));
  await writeFile(path.join(folder, "rows.ndjson"), objects.map((row) => JSON.stringify(row)).join("\n"));
  await writeFile(path.join(folder, "rows.json"), JSON.stringify({ columns: COLUMNS, rows }));
  const made: unknown[] = [];
  for (const format of ["parquet", "csv", "ndjson", "json"]) {
    const out = path.join(folder, `${format}-profile.json`);
    await lockstep("profile", path.join(folder, `rows.${format}`), "-o", out);
    made.push(parseProfile(JSON.parse(await readFile(out, "utf8"))));
  }
  expect(made[0]).toMatchObject({ rows: 300, features: [{}, {}, {}, {}] });
  for (const each of made) expect(each).toEqual(made[0]);
});
