import type { InferResponse } from "../infer-request.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { guessTextBytes, writeFlat } from "../json/tensor-text.ts";

/** Room for names, shapes and punctuation, in bytes. */
const FRAME_BYTES = 256;

/**
 * Writes the body of a v2 answer in JSON; elements are flat. Throws ServingError (InvalidArgument) if an output holds
 * NaN or Infinity: the request is not at fault, but only its sender can ask otherwise, and status 500 would make load
 * balancers take a healthy replica out.
 */
export function writeInferResponse(response: InferResponse): Buffer {
  let guess = FRAME_BYTES;
  for (const output of response.outputs) guess += guessTextBytes(output) + FRAME_BYTES;
  const writer = new JsonWriter(guess);
  writer.raw('{"model_name":');
  writer.string(response.model);
  writer.raw(`,"model_version":"${response.version}"`);
  if (response.id !== undefined) {
    writer.raw(',"id":');
    writer.string(response.id);
  }
  writer.raw(',"outputs":[');
  for (const [index, output] of response.outputs.entries()) {
    writer.raw(index === 0 ? '{"name":' : ',{"name":');
    writer.string(output.name);
    writer.raw(`,"shape":[${output.shape.join(",")}],"datatype":"${output.datatype}","data":`);
    writeFlat(writer, output);
    writer.raw("}");
  }
  writer.raw("]}");
  return writer.finish();
}
