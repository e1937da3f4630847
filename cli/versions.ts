import type { KeyObject } from "node:crypto";
import { readFile } from "node:fs/promises";
import { parsePublicKey } from "../runtime/storage/manifest-signature.ts";
import { catalogVersions, type CatalogedVersion } from "../runtime/storage/version-catalog.ts";
import { interruptible } from "./interruption.ts";
import { cliErrorOf, openPlace, type PlaceOptions } from "./model-place.ts";
import { bytesText } from "./progress.ts";
import { printable, table } from "./table.ts";

export interface VersionsOptions extends PlaceOptions {
  /** A file with the public key, or the key itself in base64. */
  readonly publicKey?: string;
  readonly json?: boolean;
}

/** Digits of a digest that are shown. */
const SHORT_DIGEST = 12;

/** Shows the versions of a repository, the newest first. Throws CliError for what the user can mend. */
export async function showVersions(target: string, options: VersionsOptions): Promise<void> {
  await interruptible(async (signal) => {
    await using place = openPlace(target, options);
    const publicKey = options.publicKey === undefined ? undefined : await readPublicKey(options.publicKey);
    try {
      const versions = (await catalogVersions(place.store, place.key, publicKey, signal)).toReversed();
      process.stdout.write(options.json === true ? jsonOf(versions) : textOf(versions, target));
    } catch (error) {
      signal.throwIfAborted();
      throw cliErrorOf(error, target);
    }
  });
}

/** Of a file, or of the text itself, as storage.verify.publicKey takes it. Throws CliError. */
async function readPublicKey(keyOrFile: string): Promise<KeyObject> {
  try {
    const text = /^[A-Za-z0-9+/]{43,60}=$/.test(keyOrFile) ? keyOrFile : await readFile(keyOrFile, "utf8");
    return parsePublicKey(text);
  } catch (error) {
    throw cliErrorOf(error, keyOrFile);
  }
}

function textOf(versions: readonly CatalogedVersion[], target: string): string {
  if (versions.length === 0)
    return `${target} has no versions yet: a version is a folder named by a number, which lockstep push makes\n`;
  const rows = versions.map(({ version, sizeBytes, manifest, isSigned, state }) => [
    String(version),
    bytesText(sizeBytes),
    manifest?.createdAt ?? "-",
    digestOf(manifest)?.slice("sha256:".length, "sha256:".length + SHORT_DIGEST) ?? "-",
    isSigned ? "yes" : "no",
    WORDS[state],
  ]);
  const lines = table([["VERSION", "SIZE", "CREATED", "DIGEST", "SIGNED", "STATE"], ...rows]);
  for (const { version, problem } of versions)
    if (problem !== undefined) lines.push("", `version ${version}: ${printable(problem, 500)}`);
  return `${lines.join("\n")}\n`;
}

const WORDS: Readonly<Record<CatalogedVersion["state"], string>> = {
  complete: "complete",
  unlisted: "no manifest",
  unfinished: "not finished",
  broken: "broken",
  untrusted: "not trusted",
};

function jsonOf(versions: readonly CatalogedVersion[]): string {
  const shown = versions.map(({ manifest, problem, ...version }) => ({
    ...version,
    digest: digestOf(manifest) ?? null,
    createdAt: manifest?.createdAt ?? null,
    problem: problem ?? null,
  }));
  return `${JSON.stringify(shown, undefined, 2)}\n`;
}

function digestOf(manifest: CatalogedVersion["manifest"]): string | undefined {
  const model = manifest?.files.find(({ name }) => name === manifest.model);
  return model === undefined ? undefined : `sha256:${model.sha256}`;
}
