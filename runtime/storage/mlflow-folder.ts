import type { ObjectStore, StoredEntry } from "./object-store.ts";
import { withRetries, type RetryPolicy } from "./retry.ts";
import { readSmallObject } from "./small-object.ts";
import { StorageFailure } from "./storage-failure.ts";

const FILE = "MLmodel";
const MAX_FILE_BYTES = 1024 * 1024;

/** Whether a folder holds a model that MLflow logged, whatever its framework. */
export function isLoggedByMlflow(entries: readonly StoredEntry[]): boolean {
  return entries.some(({ kind, name }) => kind === "file" && name === FILE);
}

/**
 * The entries of a version's folder of which the version is made: of a model that MLflow logged, the ONNX file is the one
 * that its description names. The description is read only if it can change something. Throws StorageFailure.
 */
export async function chooseLoggedModel(
  entries: readonly StoredEntry[],
  { store, folder }: { readonly store: ObjectStore; readonly folder: string },
  retry: RetryPolicy,
  signal: AbortSignal,
): Promise<readonly StoredEntry[]> {
  if (!isLoggedByMlflow(entries) || entries.some(({ name }) => name === "model.onnx")) return entries;
  const key = folder === "" ? FILE : `${folder}/${FILE}`;
  const read = (inner: AbortSignal): Promise<Uint8Array> => readSmallObject(store, key, MAX_FILE_BYTES, inner);
  const bytes = await withRetries(read, retry, store.describe(key), signal);
  if (bytes.length > MAX_FILE_BYTES)
    throw new StorageFailure("StorageNotFound", `${store.describe(key)} is larger than ${MAX_FILE_BYTES} bytes`);
  // With its parser, which others do not need.
  const { onnxFileOf } = await import("./mlflow-model.ts");
  const place = store.describe(folder);
  const model = onnxFileOf(Buffer.from(bytes).toString("utf8"), place);
  if (!entries.some(({ kind, name }) => kind === "file" && name === model && !name.includes("/")))
    throw new StorageFailure(
      "StorageNotFound",
      `${place} holds no file of the name that ${FILE} says under flavors.onnx.data`,
    );
  return entries.filter(({ name }) => name === model || name.includes("/") || !name.endsWith(".onnx"));
}
