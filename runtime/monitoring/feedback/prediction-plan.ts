import type { Datatype, Signature, TensorSpec } from "../../core/tensor.ts";

const FLOATS: ReadonlySet<Datatype> = new Set(["FP16", "FP32", "FP64"]);

/**
 * The output that is the prediction: the one that is named, or the first one that is a label or a number for each row ([N] or
 * [N,1]), or a score for each class ([N,C] of floats). Undefined if the model has none such.
 */
export function predictionOutputOf(signature: Signature, wanted: string | undefined): string | undefined {
  if (wanted !== undefined) return signature.outputs.find(({ name }) => name === wanted)?.name;
  return signature.outputs.find(isPrediction)?.name;
}

function isPrediction({ datatype, shape }: TensorSpec): boolean {
  if (shape.length === 1) return true;
  return shape.length === 2 && (shape[1] === 1 || FLOATS.has(datatype));
}
