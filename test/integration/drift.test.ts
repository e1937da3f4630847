import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { parquetWriteFile } from "hyparquet-writer";
import { expect, test } from "vitest";
import { parseProfile } from "../../common/drift/profile.ts";
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
  const shown = await lockstep("profile", path.join(folder, "rows.csv"), "--model", folder, "-o", profile);
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
