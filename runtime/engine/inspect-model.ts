import { readFile, stat } from "node:fs/promises";
import { whyUnbatchable } from "../batching/batch-shape.ts";
import type { Signature } from "../core/tensor.ts";
import { ReplicaFailureError } from "../errors.ts";
import { createOnnxEngine } from "./onnx-engine.ts";
import { describeOnnxFile, type OnnxFileDescription } from "./onnx-file.ts";

/** What is known of a model without asking it anything. */
export interface InspectedModel extends OnnxFileDescription {
  readonly signature: Signature;
  /** Of the model's file, without external data. */
  readonly sizeBytes: number;
  /** Why requests for it can never be run together; undefined if its shapes allow it, which a warm-up then tries. */
  readonly unbatchable: string | undefined;
}

/**
 * Loads a model as a replica would, and tells what it is. `file` is an absolute path. Throws ReplicaFailureError with the
 * reason for which a replica could not serve it, or the signal's reason.
 */
export async function inspectModel(file: string, signal: AbortSignal): Promise<InspectedModel> {
  const { size: sizeBytes } = await stat(file);
  await using engine = createOnnxEngine();
  await using model = await engine.load(file, signal, { concurrency: { placement: "Worker" } });
  const { signature } = model;
  return { ...(await describe(file)), signature, sizeBytes, unbatchable: whyUnbatchable(signature) };
}

async function describe(file: string): Promise<OnnxFileDescription> {
  try {
    return describeOnnxFile(await readFile(file));
  } catch (cause) {
    throw new ReplicaFailureError("InvalidModel", "the file cannot be read as a model in ONNX format", { cause });
  }
}
