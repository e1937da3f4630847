import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "./control-plane-programs.ts";
import { runProgram, type ProgramResult } from "./run-program.ts";

const REQUIREMENTS = path.join(import.meta.dirname, "../conformance/python/requirements.txt");
const PROGRESS_EVERY_MS = 15_000;
const INSTALL_WITHIN_MS = 15 * 60_000;
/** Written last: a folder without it is not complete. */
const MARKER = "lockstep-complete";

const RECIPE_REQUIREMENTS = path.join(import.meta.dirname, "../../examples/recipes/requirements");

/** What the recipes of examples/recipes need, by the files in its folder requirements. */
export const RECIPE_PACKAGES = {
  tables: { title: "scikit-learn, XGBoost, LightGBM", requirements: path.join(RECIPE_REQUIREMENTS, "tables.txt") },
  pytorch: { title: "PyTorch", requirements: path.join(RECIPE_REQUIREMENTS, "pytorch.txt") },
  tensorflow: { title: "TensorFlow", requirements: path.join(RECIPE_REQUIREMENTS, "tensorflow.txt") },
} as const satisfies Readonly<Record<string, PythonPackages>>;

/** Packages of Python for tests. */
export interface PythonPackages {
  /** What they are, in messages. */
  readonly title: string;
  /** File with all of them and their versions, as pip froze it. */
  readonly requirements: string;
}

/** The Python that has the clients of test/conformance/python/requirements.txt. See {@link providePython}. */
export async function providePythonClients(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  return await providePython({ title: "Python's inference clients", requirements: REQUIREMENTS }, environment);
}

/**
 * Finds the Python that has some packages, in a virtual environment that is made once and kept; the result is its
 * program. PYTHON names the Python to make it with. Throws an Error that says what to install when there is none.
 */
export async function providePython(
  packages: PythonPackages,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const python = environment["PYTHON"] ?? "python3";
  const version = await versionOf(python, packages, environment);
  const requirements = readFileSync(packages.requirements);
  const digest = createHash("sha256").update(version).update(requirements).digest("hex").slice(0, 12);
  const folder = path.join(cacheDirectory(environment), `python-${digest}`);
  if (!existsSync(path.join(folder, MARKER))) await install(python, packages, folder, environment);
  return path.join(folder, "bin", "python");
}

async function versionOf(python: string, { title }: PythonPackages, env: NodeJS.ProcessEnv): Promise<string> {
  const program = "import ensurepip, sys, venv; print(sys.version)";
  const result = await runProgram([python, "-c", program], { env }).catch(() => undefined);
  if (result?.status === 0) return result.stdout;
  throw new Error(
    `the tests that need ${title} need Python 3.11 or newer with its module venv, and ${python} is none: install them (on Debian: apt-get install python3 python3-venv), or name another Python in PYTHON`,
  );
}

async function install(
  python: string,
  { title, requirements }: PythonPackages,
  target: string,
  env: NodeJS.ProcessEnv,
): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  // Several may install at a time; each has a folder of its own, and the first one wins.
  const folder = await mkdtemp(`${target}-`);
  const startedAt = Date.now();
  console.error(`not found: ${title}. Installing, once; it takes one to five minutes`);
  const progress = setInterval(() => {
    console.error(`still installing ${title}, ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }, PROGRESS_EVERY_MS);
  try {
    const options = { env, timeoutMs: INSTALL_WITHIN_MS };
    expectSuccess(title, await runProgram([python, "-m", "venv", folder], options));
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"];
    const own = path.join(folder, "bin", "python");
    expectSuccess(title, await runProgram([own, ...pip, "--requirement", requirements], options));
    await writeFile(path.join(folder, MARKER), "");
    await rename(folder, target).catch((error: unknown) => {
      if (!existsSync(path.join(target, MARKER))) throw error;
    });
  } finally {
    clearInterval(progress);
    await rm(folder, { recursive: true, force: true });
  }
}

function expectSuccess(title: string, { status, stdout, stderr }: ProgramResult): void {
  if (status !== 0) throw new Error(`cannot install ${title}:\n${stdout}${stderr}`);
}
