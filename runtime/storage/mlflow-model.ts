import { load } from "js-yaml";
import * as z from "zod";
import { StorageFailure } from "./storage-failure.ts";

const description = z.object({
  flavors: z.record(z.string(), z.looseObject({ data: z.string().optional() }).nullable()),
});

/**
 * The name of the ONNX file of a model that MLflow logged. `text` is its MLmodel, `place` the folder as messages show it.
 * Throws StorageFailure for a model of other frameworks, with what to do.
 */
export function onnxFileOf(text: string, place: string): string {
  const flavors = parse(text)?.flavors;
  if (flavors === undefined)
    throw new StorageFailure("StorageNotFound", `${place}/MLmodel is not a description of a model by MLflow`);
  const data = flavors["onnx"]?.data;
  if (data === undefined) {
    const others = Object.keys(flavors)
      .slice(0, 5)
      .join(", ")
      .replaceAll(/[^A-Za-z0-9_, .-]/g, "?");
    throw new StorageFailure(
      "StorageNotFound",
      `${place} was logged by MLflow without the flavor onnx (it has ${others || "none"}): log the model with mlflow.onnx.log_model`,
    );
  }
  return data;
}

function parse(text: string): z.infer<typeof description> | undefined {
  try {
    return description.safeParse(load(text)).data;
  } catch {
    return undefined;
  }
}
