import { createHash, type KeyObject } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { signManifest } from "../../runtime/storage/manifest-signature.ts";
import { manifestBytes, type VersionManifest } from "../../runtime/storage/version-manifest.ts";

/** The manifest of a version with these files, of which the first is the model. */
export function manifestOf(version: number, files: Readonly<Record<string, Buffer>>): VersionManifest {
  const [model = ""] = Object.keys(files);
  return {
    schemaVersion: 1,
    version,
    createdAt: "2026-01-31T12:00:00.000Z",
    createdBy: "a test",
    model,
    files: Object.entries(files).map(([name, content]) => ({
      name,
      sizeBytes: content.length,
      sha256: createHash("sha256").update(content).digest("hex"),
    })),
    inputs: [{ name: "input", datatype: "FP32", shape: [-1] }],
    outputs: [{ name: "output", datatype: "FP32", shape: [-1] }],
    opsets: { "ai.onnx": 17 },
    irVersion: 8,
    producer: { name: "", version: "" },
  };
}

/** Writes a version into a folder as lockstep push would; `changes` are of its manifest, before it is signed. */
export async function writeVersion(
  repository: string,
  version: number,
  files: Readonly<Record<string, Buffer>>,
  options: { readonly privateKey?: KeyObject; readonly changes?: Partial<VersionManifest> } = {},
): Promise<string> {
  const folder = join(repository, String(version));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  const manifest = manifestBytes({ ...manifestOf(version, files), ...options.changes });
  await writeFile(join(folder, "lockstep.json"), manifest);
  if (options.privateKey !== undefined)
    await writeFile(join(folder, "lockstep.json.sig"), signManifest(manifest, options.privateKey));
  return folder;
}
