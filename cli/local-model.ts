import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path";
import { createHash } from "node:crypto";
import { manifestNameProblem } from "../runtime/storage/version-manifest.ts";
import { PROFILE_FILE } from "../common/drift/profile.ts";
import { CliError } from "./cli-error.ts";

/** A model on this machine. */
export interface LocalModel {
  /** Absolute path of the .onnx file. */
  readonly file: string;
  /** Where it lies, with what it refers to. */
  readonly folder: string;
}

/** A file of a version, before it is published. */
export interface LocalFile {
  /** In the version's folder. */
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/** The model that a path means: an .onnx file, or a folder with model.onnx or a single other one. Throws {@link CliError}. */
export async function findLocalModel(path: string): Promise<LocalModel> {
  const file = resolve(path);
  const found = await kindOf(file);
  if (found === undefined) throw new CliError(`${path} does not exist: expected an .onnx file, or a folder with one`);
  if (found === "file") {
    if (!file.endsWith(".onnx"))
      throw new CliError(`${path} is not a model: expected a file that ends in .onnx (export the model to ONNX first)`);
    return { file, folder: dirname(file) };
  }
  const models = (await readdir(file)).filter((name) => name.endsWith(".onnx") && !name.startsWith("."));
  const model = models.find((name) => name === "model.onnx") ?? models[0];
  if (model === undefined) throw new CliError(`${path} holds no .onnx file: name the folder in which the model lies`);
  if (model !== "model.onnx" && models.length > 1)
    throw new CliError(
      `${path} holds ${models.length} .onnx files, and none is named model.onnx: name the one that is meant`,
    );
  return { file: join(file, model), folder: file };
}

/** Which files come along with the model. */
export interface CompanionChoice {
  /** Files that the model refers to, as it says. */
  readonly externalData: readonly string[];
  /** Those that the user named, relative to the model's folder. */
  readonly included: readonly string[];
  /** All that are not hidden and are no models. */
  readonly all: boolean;
}

/**
 * The files of a version: the model, under the name that it has in every version, and what comes along. `leftOut` are
 * those beside it that do not. Throws {@link CliError}.
 */
export async function collectFiles(
  { file, folder }: LocalModel,
  choice: CompanionChoice,
  signal: AbortSignal,
): Promise<{ readonly files: readonly LocalFile[]; readonly leftOut: readonly string[] }> {
  const present = await filesBeside(file, folder);
  const wanted = new Set([...choice.externalData.map(normalised), ...choice.included.map(normalised)]);
  // The data that the model was made for belongs to it: drift is measured against it.
  if (present.includes(PROFILE_FILE)) wanted.add(PROFILE_FILE);
  if (choice.all) for (const name of present) wanted.add(name);
  const files: LocalFile[] = [await digestFile("model.onnx", file, signal)];
  for (const name of [...wanted].sort()) {
    const problem = manifestNameProblem(name);
    if (problem !== undefined)
      throw new CliError(`${JSON.stringify(name)} cannot come along: it is a file whose name ${problem}`);
    if (name === "model.onnx" || name.endsWith(".onnx"))
      throw new CliError(`${name} cannot come along: a version has one .onnx file, the model`);
    const path = join(folder, name);
    if ((await kindOf(path)) !== "file")
      throw new CliError(`${path} does not exist, or is not a file: name files relative to ${folder}`);
    if (leadsOut(await realpath(folder), await realpath(path)))
      throw new CliError(`${path} is a link that leads out of ${folder}: copy the file itself`);
    files.push(await digestFile(name, path, signal));
  }
  return { files, leftOut: present.filter((name) => !wanted.has(name)) };
}

function normalised(name: string): string {
  return name.replace(/^\.\//, "");
}

function leadsOut(folder: string, path: string): boolean {
  const inside = relative(folder, path);
  return inside.startsWith("..") || isAbsolute(inside);
}

/** Names of files that are neither hidden nor models, in folders below too. */
async function filesBeside(model: string, folder: string): Promise<readonly string[]> {
  const found = await readdir(folder, { withFileTypes: true, recursive: true });
  return found
    .filter((entry) => entry.isFile() && !entry.name.endsWith(".onnx") && entry.name !== basename(model))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((name) => manifestNameProblem(name) === undefined)
    .sort();
}

async function digestFile(name: string, path: string, signal: AbortSignal): Promise<LocalFile> {
  const hash = createHash("sha256");
  let sizeBytes = 0;
  for await (const chunk of createReadStream(path, { signal, highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { name, path, sizeBytes, sha256: hash.digest("hex") };
}

async function kindOf(path: string): Promise<"file" | "folder" | undefined> {
  try {
    const found = await stat(path);
    return found.isDirectory() ? "folder" : found.isFile() ? "file" : undefined;
  } catch {
    return undefined;
  }
}
