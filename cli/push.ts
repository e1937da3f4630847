import { readFile } from "node:fs/promises";
import type { KeyObject } from "node:crypto";
import { styleText } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { inspectModel, type InspectedModel } from "../runtime/engine/inspect-model.ts";
import { parsePrivateKey, publicKeyText, signManifest } from "../runtime/storage/manifest-signature.ts";
import { publishVersion } from "../runtime/storage/publish-version.ts";
import { takenVersions } from "../runtime/storage/version-catalog.ts";
import { holdsModel, parseVersionName } from "../runtime/storage/version-listing.ts";
import { manifestBytes, ManifestError, type VersionManifest } from "../runtime/storage/version-manifest.ts";
import type { WritablePlace } from "../runtime/storage/writable-place.ts";
import { CliError } from "./cli-error.ts";
import { interruptible } from "./interruption.ts";
import { collectFiles, findLocalModel, type LocalFile } from "./local-model.ts";
import { cliErrorOf, openPlace, uriOf, type PlaceOptions } from "./model-place.ts";
import { bytesText, TransferProgress } from "./progress.ts";
import { table } from "./table.ts";

export interface PushOptions extends PlaceOptions {
  readonly version?: number;
  /** A file with the private key. */
  readonly key?: string;
  readonly include: readonly string[];
  readonly all?: boolean;
  readonly json?: boolean;
}

/** Publishes a model as a new version. Throws {@link CliError} for what the user can mend. */
export async function push(source: string, target: string, options: PushOptions): Promise<void> {
  await interruptible(async (signal) => {
    try {
      await pushOnce(source, target, options, signal);
    } catch (error) {
      // What it says may be more than that it was interrupted.
      if (!(error instanceof CliError)) signal.throwIfAborted();
      throw error;
    }
  }, "Interrupted: nothing was published.");
}

async function pushOnce(source: string, target: string, options: PushOptions, signal: AbortSignal): Promise<void> {
  const model = await findLocalModel(source);
  const privateKey = options.key === undefined ? undefined : await readPrivateKey(options.key);
  await using place = openPlace(target, options);
  refuseTarget(target, place);
  const inspected = await orCliError(source, inspectModel(model.file, signal));
  const choice = { externalData: inspected.externalData, included: options.include, all: options.all === true };
  const { files, leftOut } = await collectFiles(model, choice, signal);
  const version = await orCliError(target, chooseVersion(target, place, options.version, signal));
  const manifest = manifestOf(version, files, inspected);
  const signature = privateKey === undefined ? undefined : signManifest(manifest, privateKey);

  const progress = new TransferProgress(process.stderr, "uploading");
  const observer = {
    progressed: (bytesDone: number, bytesTotal: number) => progress.show(bytesDone, bytesTotal),
    unprotected: () =>
      note("this server ignores conditional writes: nothing keeps two pushes of one version at the same time apart"),
  };
  try {
    await orCliError(target, publishVersion(place, { version, files, manifest, signature }, observer, signal));
  } finally {
    progress.end();
  }
  report(target, { version, files, leftOut, privateKey }, options.json === true);
}

/** A key that would be a single file, a version's own folder, or a whole bucket. */
function refuseTarget(target: string, { key }: WritablePlace): void {
  const uri = uriOf(target);
  const last = uri.replace(/\/$/, "").split("/").at(-1) ?? "";
  if (uri.startsWith("s3://") && key === "")
    throw new CliError(
      `${target} is a whole bucket: name a folder in it for the model, such as ${target.replace(/\/$/, "")}/digits`,
    );
  if (parseVersionName(last) !== undefined)
    throw new CliError(
      `${target} is the folder of a version: name the folder above it, and the number by --version ${last}`,
    );
  if (last.endsWith(".onnx"))
    throw new CliError(
      `${target} is a file: name the folder that holds the model's versions, such as s3://models/digits`,
    );
}

async function chooseVersion(
  target: string,
  place: WritablePlace,
  wanted: number | undefined,
  signal: AbortSignal,
): Promise<number> {
  await place.prepare();
  if (holdsModel(await place.store.list(place.key, { recursive: false }, signal)))
    throw new CliError(`${target} holds a model itself: versions are folders, name another place for them`);
  const newest = (await takenVersions(place.store, place.key, signal)).at(-1);
  if (wanted === undefined) return newest === undefined ? 1 : newest + 1;
  if (newest !== undefined && newest > wanted)
    note(`version ${newest} is newer than ${wanted}: who serves the newest will not serve this one`);
  return wanted;
}

function manifestOf(version: number, files: readonly LocalFile[], inspected: InspectedModel): Uint8Array {
  const { signature, opsets, irVersion, producer } = inspected;
  const manifest: VersionManifest = {
    schemaVersion: 1,
    version,
    createdAt: new Date().toISOString(),
    createdBy: `lockstep ${packageJson.version}`,
    model: "model.onnx",
    files: files.map(({ name, sizeBytes, sha256 }) => ({ name, sizeBytes, sha256 })),
    inputs: signature.inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
    outputs: signature.outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: [...shape] })),
    opsets: { ...opsets },
    irVersion,
    producer: { name: producer.name.slice(0, 200), version: producer.version.slice(0, 200) },
  };
  try {
    return manifestBytes(manifest);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new CliError(`the model cannot be described: its manifest ${error.message}`, { cause: error });
  }
}

async function readPrivateKey(file: string): Promise<KeyObject> {
  let pem: string;
  try {
    pem = await readFile(file, "utf8");
  } catch (cause) {
    throw new CliError(`${file} cannot be read: --key names a file with a private key (lockstep keygen makes one)`, {
      cause,
    });
  }
  try {
    return parsePrivateKey(pem);
  } catch (error) {
    throw cliErrorOf(error, file);
  }
}

interface Pushed {
  readonly version: number;
  readonly files: readonly LocalFile[];
  readonly leftOut: readonly string[];
  readonly privateKey: KeyObject | undefined;
}

function report(target: string, { version, files, leftOut, privateKey }: Pushed, json: boolean): void {
  const publicKey = privateKey === undefined ? undefined : publicKeyText(privateKey);
  if (json) {
    const shown = files.map(({ name, sizeBytes, sha256 }) => ({ name, sizeBytes, sha256 }));
    const digest = `sha256:${files[0]?.sha256 ?? ""}`;
    process.stdout.write(
      `${JSON.stringify({ storageUri: uriOf(target), version, digest, files: shown, publicKey: publicKey ?? null })}\n`,
    );
    return;
  }
  const rows = files.map(({ name, sizeBytes, sha256 }) => [`  ${name}`, bytesText(sizeBytes), `sha256:${sha256}`]);
  const lines = [`${styleText("green", "Published")} version ${version} of ${target}`, ...table(rows)];
  if (publicKey !== undefined) lines.push(`  signed; storage.verify.publicKey: ${publicKey}`);
  process.stdout.write(`${lines.join("\n")}\n`);
  if (leftOut.length > 0) {
    const more = leftOut.length > 5 ? ` and ${leftOut.length - 5} more` : "";
    note(`left out: ${leftOut.slice(0, 5).join(", ")}${more} (--include FILE or --all takes them along)`);
  }
}

async function orCliError<T>(subject: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw cliErrorOf(error, subject);
  }
}

function note(text: string): void {
  process.stderr.write(`${styleText("yellow", "note:")} ${text}\n`);
}
