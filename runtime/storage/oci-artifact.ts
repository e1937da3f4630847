import { createHash } from "node:crypto";
import * as z from "zod";
import type { ChecksumAlgorithm } from "./checksum.ts";
import type { AnnouncedChecksum, StoredEntry } from "./object-store.ts";
import { StorageFailure } from "./storage-failure.ts";

/** A file of an artifact: a layer that is not an archive. */
export interface OciFile {
  /** Relative to the artifact; not checked. */
  readonly name: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

const TITLE = "org.opencontainers.image.title";
const DIGEST = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

const manifest = z.object({
  layers: z
    .array(
      z.object({
        mediaType: z.string(),
        digest: z.string().regex(DIGEST),
        size: z.int().min(0),
        annotations: z.record(z.string(), z.string()).optional(),
      }),
    )
    .max(10_000),
});

/** What registries are asked for; of indexes, so that they can be told from artifacts. */
export const MANIFEST_TYPES = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

/**
 * Reads the files of an artifact from its manifest: each layer is one, named as ORAS does (its title) or as the CNCF's
 * model format does (its file path). What the latter keeps beside a model (documents, code, data sets) is left out.
 * Throws StorageFailure; `place` is the artifact as messages show it.
 */
export function readArtifact(bytes: Buffer, place: string): readonly OciFile[] {
  const content = parse(bytes);
  if (content === undefined) throw new StorageFailure("StorageNotFound", `${place} is not an artifact with files`);
  const layers = content.layers.filter(
    ({ mediaType }) => !/^application\/vnd\.cncf\.model\.(doc|code|dataset)\./.test(mediaType),
  );
  const archive = layers.find(({ mediaType, annotations }) => isArchive(mediaType, annotations));
  if (archive !== undefined)
    throw new StorageFailure(
      "StorageNotFound",
      `${place} holds an archive (${archive.mediaType.slice(0, 100)}): archives and container images are not unpacked; push the model's files one by one, as in: oras push REGISTRY/REPOSITORY:TAG model.onnx`,
    );
  const files = layers.flatMap(({ digest, size, annotations }) => {
    const name = annotations?.[TITLE] ?? annotations?.["org.cncf.model.filepath"];
    return name === undefined ? [] : [{ name: name.replace(/^\.\//, ""), digest, sizeBytes: size }];
  });
  if (files.length === 0)
    throw new StorageFailure("StorageNotFound", `${place} is not an artifact with files: no layer of it has a name`);
  const names = files.map(({ name }) => name);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice !== -1) throw new StorageFailure("UnsafeModelFile", `${place} holds two files of the same name`);
  return files;
}

/** What lies in a folder of an artifact. */
export function listArtifact(files: readonly OciFile[], folder: string, recursive: boolean): readonly StoredEntry[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const entries: StoredEntry[] = [];
  const folders = new Set<string>();
  for (const { name: key, sizeBytes, digest } of files.filter(({ name }) => name.startsWith(prefix))) {
    const name = key.slice(prefix.length);
    const slash = recursive ? -1 : name.indexOf("/");
    const { algorithm, hex } = checksumOf(digest);
    const known = algorithm === "sha256" ? { sha256: hex } : {};
    if (slash === -1) entries.push({ kind: "file", name, sizeBytes, etag: `"${digest}"`, ...known });
    else folders.add(name.slice(0, slash));
  }
  return [...entries, ...[...folders].map((name) => ({ kind: "folder", name }) as const)];
}

/** A digest such as sha256:... as it is compared with a file. */
export function checksumOf(digest: string): AnnouncedChecksum {
  const [algorithm, hex = ""] = digest.split(":");
  const known: ChecksumAlgorithm = algorithm === "sha512" ? "sha512" : "sha256";
  return { algorithm: known, hex };
}

/** Whether bytes have a digest; true for a digest of another form, which nothing was promised of. */
export function hasDigest(bytes: Buffer, digest: string): boolean {
  if (!DIGEST.test(digest)) return true;
  const { algorithm, hex } = checksumOf(digest);
  return createHash(algorithm).update(bytes).digest("hex") === hex;
}

function parse(bytes: Buffer): z.infer<typeof manifest> | undefined {
  try {
    return manifest.safeParse(JSON.parse(bytes.toString("utf8"))).data;
  } catch {
    return undefined;
  }
}

function isArchive(mediaType: string, annotations: Readonly<Record<string, string>> = {}): boolean {
  if (annotations["io.deis.oras.content.unpack"] === "true") return true;
  // ORAS gives this type to files of which it is told none; a folder has the annotation above.
  const isUntyped = mediaType === "application/vnd.oci.image.layer.v1.tar" && TITLE in annotations;
  return !isUntyped && /[.+]tar\b|\+(gzip|zstd)$|rootfs\.diff/.test(mediaType);
}
