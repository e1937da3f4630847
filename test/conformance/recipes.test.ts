import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RuntimeConfigInput } from "../../common/runtime-config.ts";
import { differences, samplesOf, type Sample, type SampleTensor } from "../e2e/model-samples.ts";
import { startMlflow } from "../integration/mlflow-server.ts";
import { eventually, infer, ROOT, startReplicaProcess, temporaryFolder } from "../integration/runtime-under-test.ts";
import { providePython, RECIPE_PACKAGES } from "../programs/python-environment.ts";
import { runProgram, type ProgramResult } from "../programs/run-program.ts";
import { printed, requestsOf, sectionOf } from "./recipe-page.ts";

/**
 * docs/guides/bring-your-model.md, done step by step: a recipe exports a model, the command line inspects and publishes
 * it, a replica serves it, and answers what the framework has predicted.
 */

interface Recipe {
  readonly recipe: string;
  readonly packages: keyof typeof RECIPE_PACKAGES;
  /** Name of the model, and of its folder in models/. */
  readonly model: string;
}

const RECIPES: readonly Recipe[] = [
  { recipe: "from_scikit_learn.py", packages: "tables", model: "iris" },
  { recipe: "from_scikit_learn_columns.py", packages: "tables", model: "flats" },
  { recipe: "from_xgboost.py", packages: "tables", model: "diabetes" },
  { recipe: "from_lightgbm.py", packages: "tables", model: "rides" },
];
const FROM_MLFLOW: Recipe = { recipe: "from_mlflow.py", packages: "tables", model: "wine" };
/** Their frameworks are large: they are tried on demand, by examples/recipes/run. */
const LARGE_RECIPES: readonly Recipe[] = [
  { recipe: "from_pytorch.py", packages: "pytorch", model: "circle" },
  { recipe: "from_tensorflow.py", packages: "tensorflow", model: "sine" },
];
const WITH_LARGE = process.env["LOCKSTEP_RECIPES"] === "all";
/** To install them, too. */
const LARGE_TIMEOUT_MS = 20 * 60_000;

const FOLDER = path.join(ROOT, "examples/recipes");
/** Python takes seconds to load these libraries, and minutes on a busy machine. */
const PROGRAM_TIMEOUT_MS = 200_000;
const TIMEOUT_MS = 400_000;
/** Of a number below it, a difference of 1e-6 is none. */
const SMALLEST = 1e-2;
/** By so much numbers of the page may differ, as training on another processor ends elsewhere. */
const PAGE_TOLERANCE = 0.02;
/** What `curl -d` says that it sends. */
const CURL_TYPE = "application/x-www-form-urlencoded";

async function run(
  command: readonly [program: string, ...args: string[]],
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<ProgramResult> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", NO_COLOR: "1", ...environment };
  return await runProgram(command, { cwd, env, timeoutMs: PROGRAM_TIMEOUT_MS });
}

/** What a program wrote to its standard output. Throws an Error with all that it wrote if it has failed. */
function outputOf({ status, stdout, stderr }: ProgramResult): string {
  if (status !== 0) throw new Error(`expected status 0, got ${status}:\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a recipe as its first line says; the result is what the framework predicted. */
async function bring(
  { recipe, packages, model }: Recipe,
  cwd: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<Sample> {
  const python = await providePython(RECIPE_PACKAGES[packages]);
  outputOf(await run([python, path.join(FOLDER, recipe), `models/${model}`], cwd, environment));
  const sample = samplesOf(model, path.join(cwd, "models"))["1"];
  if (sample === undefined) throw new Error(`expected a sample of version 1, which ${recipe} writes`);
  return sample;
}

async function lockstep(cwd: string, ...args: readonly string[]): Promise<string> {
  return outputOf(await run([process.execPath, path.join(ROOT, "cli/lockstep.mjs"), ...args], cwd));
}

/** A replica that serves one model; the result is its address. */
async function serve(model: Omit<RuntimeConfigInput["models"][number], "format">, cwd: string): Promise<string> {
  const file = path.join(cwd, "config.json");
  const config: RuntimeConfigInput = {
    configVersion: 1,
    service: { namespace: "default", name: model.name },
    models: [{ format: "onnx", ...model }],
  };
  await writeFile(file, JSON.stringify(config));
  const replica = await startReplicaProcess({ LOCKSTEP_CONFIG: file, LOCKSTEP_STORAGE_DENY: "" });
  await eventually(
    async () => ((await replica.state()).phase === "Ready" ? true : undefined),
    () => `the model to be ready, got ${replica.process.output}`,
  );
  return replica.url;
}

async function expectPrediction(url: string, { model }: Recipe, sample: Sample): Promise<void> {
  const response = await infer(url, model, JSON.stringify(sample.request));
  const answer = (await response.json()) as { outputs: SampleTensor[] };
  expect(answer).toHaveProperty("outputs");
  expect(differences(answer.outputs, sample.outputs, SMALLEST)).toEqual([]);
  expect(sample.outputs.length).toBeGreaterThan(0);

  const { inputs, outputs } = (await (await fetch(`${url}/v2/models/${model}`)).json()) as {
    inputs: SampleTensor[];
    outputs: SampleTensor[];
  };
  expect([...inputs, ...outputs].map(({ shape }) => shape[0])).toEqual([...inputs, ...outputs].map(() => -1));
}

async function compare(url: string, folder: string, cwd: string): Promise<ProgramResult> {
  return await run([process.env["PYTHON"] ?? "python3", path.join(FOLDER, "compare.py"), url, folder], cwd);
}

/** What the page shows is what happens. */
async function expectPage({ recipe, model }: Recipe, url: string, cwd: string): Promise<void> {
  const requests = requestsOf(sectionOf(recipe));
  expect(requests.length).toBeGreaterThan(0);
  for (const { path: address, body, answer } of requests) {
    const headers = { "content-type": CURL_TYPE };
    const response = await fetch(`${url}${address}`, { method: "POST", headers, body });
    expect(rounded(await response.json(), answer)).toEqual(answer);
  }
  const compared = outputOf(await compare(`${url}/v2/models/${model}`, `models/${model}`, cwd));
  expect(compared).not.toBe("");
}

/** A value in which numbers are those of another one where they differ by little. */
function rounded(value: unknown, other: unknown): unknown {
  if (typeof value === "number" && typeof other === "number")
    return Math.abs(value - other) <= PAGE_TOLERANCE * Math.max(1, Math.abs(other)) ? other : value;
  if (Array.isArray(value) && Array.isArray(other))
    return value.map((element: unknown, index): unknown => rounded(element, other[index]));
  if (typeof value !== "object" || value === null || typeof other !== "object" || other === null) return value;
  const others = other as Readonly<Record<string, unknown>>;
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, rounded(element, others[key])]));
}

async function expectRecipe(recipe: Recipe): Promise<void> {
  const cwd = await temporaryFolder();
  const { model } = recipe;
  const sample = await bring(recipe, cwd);
  const inspected = (await lockstep(cwd, "inspect", `models/${model}`)).trim();
  expect(inspected).toMatch(/batching +its shapes allow it/);
  // The page shows it of one model.
  expect(inspected).toBe(printed(sectionOf(recipe.recipe), `lockstep inspect models/${model}`)?.trim() ?? inspected);
  // Into another repository, so that what is published is shown to be all that is needed.
  await lockstep(cwd, "push", `models/${model}/1`, `published/${model}`);
  const url = await serve({ name: model, storageUri: `file://${cwd}/published/${model}` }, cwd);
  await expectPrediction(url, recipe, sample);
  await expectPage(recipe, url, cwd);
}

describe("what a framework predicts, a replica answers", () => {
  test.each(RECIPES)("$recipe", { timeout: TIMEOUT_MS }, expectRecipe);

  test("from_mlflow.py", { timeout: TIMEOUT_MS }, async () => {
    const cwd = await temporaryFolder();
    const mlflow = await startMlflow();
    onTestFinished(() => mlflow[Symbol.asyncDispose]());
    const environment = {
      MLFLOW_TRACKING_URI: mlflow.endpoint,
      MLFLOW_DISABLE_TELEMETRY: "true",
      DO_NOT_TRACK: "true",
    };
    const sample = await bring(FROM_MLFLOW, cwd, environment);
    const { model: name } = FROM_MLFLOW;
    const model = { name, storageUri: `mlflow://${name}@champion`, storage: { endpoint: mlflow.endpoint } };
    const url = await serve(model, cwd);
    await expectPrediction(url, FROM_MLFLOW, sample);
    await expectPage(FROM_MLFLOW, url, cwd);
  });

  test.skipIf(!WITH_LARGE).each(LARGE_RECIPES)("$recipe, on demand", { timeout: LARGE_TIMEOUT_MS }, expectRecipe);
});

test("compare.py says when a server answers something else", async () => {
  const cwd = await temporaryFolder();
  const iris = { name: "iris", storageUri: `file://${ROOT}/examples/models/iris` };
  const url = `${await serve(iris, cwd)}/v2/models/iris`;

  const samples = await readFile(path.join(ROOT, "examples/models/iris/samples.json"), "utf8");
  await writeFile(path.join(cwd, "samples.json"), samples);
  expect(await compare(url, ".", cwd)).toMatchObject({ status: 0 });

  await writeFile(path.join(cwd, "samples.json"), samples.replace("0.9815794229507446", "0.9818"));
  const wrong = await compare(url, ".", cwd);
  expect(wrong).toMatchObject({ status: 1 });
  expect(wrong.stdout).toMatch(/^label: 3 values, equal\nprobabilities: 9 values, within 2e-04$/m);
  expect(wrong.stderr).toContain("does not answer what the framework predicted");
});
