import type { Tensor } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { WireAnswer } from "../dialect.ts";
import type { InferRequest, InferResponse, Parameters } from "../infer-request.ts";
import { JsonWriter } from "../json/json-writer.ts";
import { guessTextBytes, writeFlat } from "../json/tensor-text.ts";
import { quoteName } from "../wording.ts";
import { rawBytesOf } from "./raw-tensor.ts";

/** Room for names, shapes and punctuation, in bytes. */
const FRAME_BYTES = 256;
/** Shorter binary data is copied behind the JSON: a write of its own would cost more. */
const COPIED_BYTES = 16 * 1024;

/** Whether the output at an index of the answer is to be binary. */
export type IsBinary = (index: number) => boolean;

const NONE: IsBinary = () => false;

/** Answers of usual size are written one after the other into the same buffer, and copied out of it. */
const SHARED_BYTES = 32 * 1024;
let shared = new JsonWriter(SHARED_BYTES);

function writerFor(sizeBytes: number): JsonWriter {
  if (sizeBytes > SHARED_BYTES) return new JsonWriter(sizeBytes);
  // It grew, for texts that were longer than guessed.
  if (shared.length > SHARED_BYTES) shared = new JsonWriter(SHARED_BYTES);
  shared.reset();
  return shared;
}

/**
 * Which outputs a request wants in binary: those with the parameter `binary_data`, and where an output has none, all if
 * the request has `binary_data_output`. Throws ServingError (InvalidArgument) for values that are not boolean.
 */
export function binaryOutputsOf({ parameters, outputs }: Pick<InferRequest, "parameters" | "outputs">): IsBinary {
  const all = flag("parameters", "binary_data_output", parameters) ?? false;
  if (outputs === undefined) return all ? () => true : NONE;
  const each = outputs.map(
    (output) => flag(`output ${quoteName(output.name)}`, "binary_data", output.parameters) ?? all,
  );
  return each.includes(true) ? (index) => each[index] === true : NONE;
}

function flag(where: string, name: string, parameters: Parameters): boolean | undefined {
  const value = parameters[name];
  if (value === undefined || typeof value === "boolean") return value;
  throw new ServingError("InvalidArgument", `${where}: ${name}: expected true or false, got a ${typeof value}`);
}

/**
 * Writes a v2 answer: JSON with flat elements, and behind it the outputs that are to be binary. Throws ServingError
 * (InvalidArgument) if an output in JSON holds NaN or Infinity: the request is not at fault, but only its sender can
 * ask otherwise, and status 500 would make load balancers take a healthy replica out.
 */
export function writeInferResponse(response: InferResponse, isBinary: IsBinary = NONE): WireAnswer {
  const blobs: Uint8Array[] = [];
  const writer = writerFor(guessBytes(response, isBinary));
  writer.raw('{"model_name":');
  writer.name(response.model);
  writer.raw(`,"model_version":"${response.version}"`);
  if (response.id !== undefined) {
    writer.raw(',"id":');
    writer.string(response.id);
  }
  writer.raw(',"outputs":[');
  for (const [index, output] of response.outputs.entries()) {
    if (index > 0) writer.comma();
    writeOutput(writer, output, isBinary(index) ? blobs : undefined);
  }
  writer.raw("]}");
  if (blobs.length > 0) return binaryAnswer(writer.finish(), blobs);
  return { body: writer === shared ? writer.copy() : writer.finish() };
}

function guessBytes({ outputs }: InferResponse, isBinary: IsBinary): number {
  let guess = FRAME_BYTES;
  for (const [index, output] of outputs.entries())
    guess += (isBinary(index) ? 0 : guessTextBytes(output)) + FRAME_BYTES;
  return guess;
}

/** Binary data goes to `blobs`, if there are any. */
function writeOutput(writer: JsonWriter, output: Tensor, blobs: Uint8Array[] | undefined): void {
  writer.raw('{"name":');
  writer.name(output.name);
  writer.raw(`,"shape":[${output.shape.join(",")}],"datatype":"${output.datatype}"`);
  if (blobs === undefined) {
    writer.raw(',"data":');
    writeFlat(writer, output);
    writer.raw("}");
    return;
  }
  const bytes = rawBytesOf(output);
  writer.raw(`,"parameters":{"binary_data_size":${bytes.length}}}`);
  blobs.push(bytes);
}

function binaryAnswer(json: Buffer, blobs: readonly Uint8Array[]): WireAnswer {
  const sizeBytes = blobs.reduce((sum, { length }) => sum + length, 0);
  return {
    body:
      sizeBytes <= COPIED_BYTES
        ? Buffer.concat([json, ...blobs], json.length + sizeBytes)
        : [Buffer.from(json), ...blobs],
    contentType: "application/octet-stream",
    headers: { "inference-header-content-length": String(json.length) },
  };
}
