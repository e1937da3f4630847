import * as z from "zod";
import { canonicalJson } from "../../common/canonical-json.ts";
import { DATATYPES, type Datatype } from "../core/tensor.ts";
import { relativeNameProblem } from "./relative-name.ts";

/** Beside the model, in the version's folder. Written last: a version with a manifest is complete. */
export const MANIFEST_FILE = "lockstep.json";
/** The raw Ed25519 signature of the manifest's bytes. Written before the manifest. */
export const MANIFEST_SIGNATURE_FILE = "lockstep.json.sig";
/** Lies in a version's folder while somebody uploads the version, and no longer than that. */
export const CLAIM_FILE = ".lockstep-push";

/** More than a thousand files and as many tensors need. */
export const MAX_MANIFEST_BYTES = 1024 * 1024;
export const MAX_MANIFEST_FILES = 1_000;
const MAX_TENSORS = 1_024;
/** How many problems a message names. */
const MAX_SHOWN = 3;

const isControlled = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
const label = (max: number) =>
  z
    .string()
    .max(max)
    .refine((text) => text.isWellFormed() && !isControlled.test(text), "has a control character");
const size = z.int().min(0);

const file = z.strictObject({
  /** Relative to the version's folder. */
  name: z.string().superRefine((name, context) => {
    const problem = manifestNameProblem(name);
    if (problem !== undefined) context.addIssue(`names a file whose name ${problem}`);
  }),
  sizeBytes: size,
  sha256: z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits in lower case"),
});

const tensor = z.strictObject({
  name: z.string().max(1_024),
  datatype: z.enum(Object.keys(DATATYPES) as Datatype[]),
  /** -1 is a dimension that each request chooses. */
  shape: z.array(z.int().min(-1)).max(32),
});

const manifest = z
  .strictObject({
    /** Raised when an older reader could no longer judge what a newer writer says: it refuses what it does not know. */
    schemaVersion: z.literal(1, "expected 1, the version of this format that this release reads"),
    /** The number of the version's folder, so that a signed version cannot be passed off as another one. */
    version: size,
    createdAt: z.iso.datetime("expected a time in UTC such as 2026-01-31T12:00:00.000Z"),
    /** What wrote the manifest. */
    createdBy: label(200),
    /** Which of the files is the model. */
    model: z.string(),
    files: z.array(file).min(1).max(MAX_MANIFEST_FILES),
    inputs: z.array(tensor).max(MAX_TENSORS),
    outputs: z.array(tensor).min(1).max(MAX_TENSORS),
    /** By domain; that of ONNX itself is `ai.onnx`. */
    opsets: z.record(label(200).min(1), size),
    irVersion: size,
    /** What exported the model, as the file says. */
    producer: z.strictObject({ name: label(200), version: label(200) }),
  })
  .superRefine(({ model, files }, context) => {
    const problem = filesProblem(
      model,
      files.map(({ name }) => name),
    );
    if (problem !== undefined) context.addIssue(problem);
  });

/** What a version consists of, and what it is. */
export type VersionManifest = z.infer<typeof manifest>;
/** A file of a version, with what it must be. */
export type ManifestFile = VersionManifest["files"][number];

/** A manifest as it lies in the storage. */
export interface StoredManifest {
  readonly bytes: Uint8Array;
  /** Undefined for one that is not signed. */
  readonly signature: Uint8Array | undefined;
}

/** Thrown for bytes that are no manifest; the message completes "NAME ..." and holds nothing of the bytes but names of fields. */
export class ManifestError extends Error {
  override name = "ManifestError";
}

/** Reads a manifest and checks all that can be checked of it alone. Throws {@link ManifestError}. */
export function parseVersionManifest(bytes: Uint8Array): VersionManifest {
  if (bytes.length > MAX_MANIFEST_BYTES)
    throw new ManifestError(`is larger than ${MAX_MANIFEST_BYTES} bytes, which no manifest is`);
  let input: unknown;
  try {
    input = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ManifestError("is not JSON in UTF-8", { cause });
  }
  const result = manifest.safeParse(input);
  if (result.success) return result.data;
  throw new ManifestError(`is no manifest of a version: ${problemsOf(result.error)}`);
}

/**
 * The bytes of a manifest, which are what is signed: sorted keys, files in the order of their names, the model first. Equal
 * manifests have equal bytes. Throws {@link ManifestError} for one that nobody could read again.
 */
export function manifestBytes(value: VersionManifest): Uint8Array {
  const rank = ({ name }: ManifestFile): string => (name === value.model ? "" : name);
  const files = value.files.toSorted((a, b) => (rank(a) < rank(b) ? -1 : rank(a) > rank(b) ? 1 : 0));
  const sorted: unknown = JSON.parse(canonicalJson({ ...value, files }));
  const bytes = Buffer.from(`${JSON.stringify(sorted, undefined, 2)}\n`);
  parseVersionManifest(bytes);
  return bytes;
}

/** Why a file of this name cannot be one of a version, or undefined. The text completes "a file whose name ...". */
export function manifestNameProblem(name: string): string | undefined {
  const problem = relativeNameProblem(name);
  if (problem !== undefined) return problem;
  if (name.split("/").some((segment) => segment.startsWith("."))) return "begins with a dot, which hides it";
  if (isOfManifest(name)) return "is that of the manifest itself";
  return undefined;
}

/** Whether a file of a version's folder belongs to the manifest rather than to the version. */
export function isOfManifest(name: string): boolean {
  return name === MANIFEST_FILE || name === MANIFEST_SIGNATURE_FILE;
}

/** Object stores can hold both `a` and `a/b`, a disk cannot; there the model is always model.onnx. */
function filesProblem(model: string, names: readonly string[]): string | undefined {
  const all = new Set(names);
  if (all.size !== names.length) return "files: names a file twice";
  if (!all.has(model) || !model.endsWith(".onnx") || model.includes("/"))
    return "model: expected one of the files, an .onnx file in the version's folder itself";
  if (model !== "model.onnx" && all.has("model.onnx"))
    return "model: model.onnx is among the files, and is not the model";
  for (const name of names) {
    for (let at = name.indexOf("/"); at !== -1; at = name.indexOf("/", at + 1)) {
      const folder = name.slice(0, at);
      if (all.has(folder) || folder === "model.onnx") return "files: names the same both as a file and as a folder";
    }
  }
  return undefined;
}

/** Names of fields and our own words. Unknown fields are counted, not named: they may be anything. */
function problemsOf({ issues }: z.ZodError): string {
  const texts = issues.map((issue) => {
    const path = issue.path.map((part) => (typeof part === "string" ? printable(part) : String(part))).join(".");
    const text =
      issue.code === "unrecognized_keys" ? `has ${issue.keys.length} fields that are not known` : issue.message;
    return path === "" ? text : `${path}: ${text}`;
  });
  const more = texts.length > MAX_SHOWN ? `; and ${texts.length - MAX_SHOWN} more` : "";
  return texts.slice(0, MAX_SHOWN).join("; ") + more;
}

function printable(text: string): string {
  return text.slice(0, 80).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]|\p{Cs}/gu, "?");
}
