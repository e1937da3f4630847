import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { styleText } from "node:util";
import { whyUnbatchable } from "../runtime/batching/batch-shape.ts";
import type { Signature } from "../runtime/core/tensor.ts";
import { inspectModel } from "../runtime/engine/inspect-model.ts";
import { createModelRepository } from "../runtime/storage/model-repository.ts";
import { catalogVersion } from "../runtime/storage/version-catalog.ts";
import {
  holdsModel,
  isBeingPublished,
  parseVersionName,
  readVersionFolders,
} from "../runtime/storage/version-listing.ts";
import type { VersionManifest } from "../runtime/storage/version-manifest.ts";
import type { WritablePlace } from "../runtime/storage/writable-place.ts";
import { CliError } from "./cli-error.ts";
import { interruptible } from "./interruption.ts";
import { findLocalModel } from "./local-model.ts";
import { cliErrorOf, openPlace, uriOf, type PlaceOptions } from "./model-place.ts";
import { bytesText, TransferProgress } from "./progress.ts";
import { printable, shapeText, table } from "./table.ts";

export interface InspectOptions extends PlaceOptions {
  /** Which version of a repository; the newest without it. */
  readonly version?: number;
  /** Read the model itself even if a manifest tells what it is. */
  readonly fetch?: boolean;
  readonly json?: boolean;
}

/** What is shown of a model. */
interface Description {
  readonly place: string;
  readonly signature: Signature;
  readonly opsets: Readonly<Record<string, number>>;
  readonly irVersion: number;
  readonly producer: { readonly name: string; readonly version: string };
  readonly sizeBytes: number;
  readonly externalData: readonly string[];
  /** Undefined if only the manifest was read, which does not have them. */
  readonly metadata: Readonly<Record<string, string>> | undefined;
}

/** Shows what a model is. Throws {@link CliError} for what the user can mend, such as a model that cannot be served. */
export async function inspect(target: string, options: InspectOptions): Promise<void> {
  await interruptible(async (signal) => {
    try {
      const uri = uriOf(target);
      const description = uri.startsWith("file://")
        ? await inspectLocal(target, options, signal)
        : await inspectRemote(target, options, signal);
      process.stdout.write(options.json === true ? jsonOf(description) : textOf(description));
    } catch (error) {
      signal.throwIfAborted();
      throw cliErrorOf(error, target);
    }
  });
}

async function inspectLocal(target: string, options: InspectOptions, signal: AbortSignal): Promise<Description> {
  const path = fileURLToPath(uriOf(target));
  const isFolder = await isDirectory(path);
  const folder = isFolder ? await folderIn(target, options, signal) : "";
  const { file } = await findLocalModel(join(path, folder));
  return await describeFile(folder === "" ? target : `${target.replace(/\/$/, "")}/${folder}`, file, signal);
}

async function inspectRemote(target: string, options: InspectOptions, signal: AbortSignal): Promise<Description> {
  await using place = openPlace(target, options);
  if (place.key.endsWith(".onnx")) return await fetchAndDescribe(target, 1, options, signal);
  const folder = await folderIn(target, options, signal);
  const key = folder === "" ? place.key : `${place.key}/${folder}`;
  const version = parseVersionName(key.split("/").at(-1) ?? "");
  const shown = place.store.describe(key);
  const { manifest, problem } = await catalogVersion(place.store, key, version, undefined, signal);
  if (problem !== undefined)
    throw new CliError(`${shown} is broken: ${problem}\n  lockstep versions shows which are not.`);
  if (manifest === undefined || options.fetch === true)
    return await fetchAndDescribe(
      folder === "" ? target : `${target.replace(/\/$/, "")}/${folder}`,
      1,
      options,
      signal,
    );
  return describeManifest(shown, manifest);
}

/** The folder of the version that is meant, relative to the target; empty if the target itself holds a model. */
async function folderIn(target: string, options: InspectOptions, signal: AbortSignal): Promise<string> {
  await using place: WritablePlace = openPlace(target, options);
  const entries = await place.store.list(place.key, { recursive: false }, signal);
  const versions = readVersionFolders(entries);
  if (options.version !== undefined) {
    if (versions.includes(options.version)) return String(options.version);
    throw new CliError(
      `${target} has no version ${options.version}; there are ${versions.toReversed().join(", ") || "none"}`,
    );
  }
  for (const version of versions.toReversed()) {
    const key = place.key === "" ? String(version) : `${place.key}/${version}`;
    if (holdsModel(await place.store.list(key, { recursive: false }, signal))) return String(version);
  }
  if (isBeingPublished(entries)) throw new CliError(`${target} is being published, or its publishing was interrupted`);
  if (holdsModel(entries)) return "";
  throw new CliError(
    `${target} holds no model: expected an .onnx file, a folder with one, or one with folders of versions`,
  );
}

async function fetchAndDescribe(
  target: string,
  version: number,
  options: InspectOptions,
  signal: AbortSignal,
): Promise<Description> {
  const folder = await mkdtemp(join(tmpdir(), "lockstep-inspect-"));
  const progress = new TransferProgress(process.stderr, "fetching");
  try {
    await using repository = createModelRepository(
      {
        name: "inspected",
        storageUri: uriOf(target),
        storage: {
          anonymous: false,
          verify: {},
          ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
          ...(options.region !== undefined && { region: options.region }),
        },
        versionPolicy: { kind: "latest", count: 1 },
      },
      {
        config: {
          LOCKSTEP_MODEL_DIR: folder,
          LOCKSTEP_PVC_ROOT: folder,
          LOCKSTEP_MAX_MODEL_BYTES: Number.MAX_SAFE_INTEGER,
          LOCKSTEP_STORAGE_DENY: [],
          LOCKSTEP_STORAGE_SECRET: "",
          LOCKSTEP_CACHE_DIR: "",
          LOCKSTEP_CACHE_MAX_BYTES: 1,
        },
      },
    );
    const report = ({ bytesDone, bytesTotal }: { bytesDone: number; bytesTotal: number | undefined }): void =>
      progress.show(bytesDone, bytesTotal);
    const { modelFile } = await repository.fetchVersion(version, report, signal);
    progress.end();
    return await describeFile(target, modelFile, signal);
  } finally {
    progress.end();
    await rm(folder, { recursive: true, force: true });
  }
}

async function describeFile(place: string, file: string, signal: AbortSignal): Promise<Description> {
  return { place, ...(await inspectModel(file, signal)) };
}

function describeManifest(place: string, manifest: VersionManifest): Description {
  const { inputs, outputs, opsets, irVersion, producer, files, model } = manifest;
  return {
    place,
    signature: { inputs, outputs },
    opsets,
    irVersion,
    producer,
    sizeBytes: files.find(({ name }) => name === model)?.sizeBytes ?? 0,
    externalData: files.filter(({ name }) => name !== model).map(({ name }) => name),
    metadata: undefined,
  };
}

function textOf({ place, signature, metadata, ...model }: Description): string {
  const rows = (["inputs", "outputs"] as const).flatMap((side) =>
    signature[side].map(({ name, datatype, shape }) => [
      side.slice(0, -1),
      printable(name, 80),
      datatype,
      shapeText(shape),
    ]),
  );
  const opsets = Object.entries(model.opsets).map(([domain, opset]) => `${printable(domain)} ${opset}`);
  const producer = printable(`${model.producer.name} ${model.producer.version}`.trim());
  const why = whyUnbatchable(signature);
  const facts = [
    ["size", bytesText(model.sizeBytes)],
    ["opset", opsets.join(", ") || "-"],
    ["IR version", String(model.irVersion)],
    ["producer", producer === "" ? "-" : producer],
    ["batching", why === undefined ? "its shapes allow it; a replica's warm-up tries it" : `no: ${printable(why)}`],
    ...(model.externalData.length > 0
      ? [["other files", model.externalData.map((name) => printable(name)).join(", ")]]
      : []),
  ];
  const properties = Object.entries(metadata ?? {}).map(([key, value]) => [printable(key, 60), printable(value)]);
  const lines = [
    styleText("bold", place),
    "",
    ...table([["", "NAME", "DATATYPE", "SHAPE"], ...rows]).map((line) => `  ${line}`),
    "",
    ...table(facts).map((line) => `  ${line}`),
    ...(properties.length > 0 ? ["", "  metadata", ...table(properties).map((line) => `    ${line}`)] : []),
    ...(metadata === undefined ? ["", "  (as the version's manifest says; --fetch reads the model itself)"] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function jsonOf({
  place,
  signature,
  opsets,
  irVersion,
  producer,
  sizeBytes,
  externalData,
  metadata,
}: Description): string {
  const unbatchable = whyUnbatchable(signature) ?? null;
  const { inputs, outputs } = signature;
  const shown = {
    place,
    inputs,
    outputs,
    opsets,
    irVersion,
    producer,
    sizeBytes,
    otherFiles: externalData,
    unbatchable,
    metadata: metadata ?? null,
  };
  return `${JSON.stringify(shown, undefined, 2)}\n`;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
