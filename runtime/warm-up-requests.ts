import { open } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { ModelConfig } from "../common/runtime-config.ts";
import type { FetchedVersion } from "./core/repository.ts";
import { syntheticInputs } from "./core/synthetic-request.ts";
import type { Tensor } from "./core/tensor.ts";
import { ReplicaFailureError, ServingError } from "./errors.ts";
import { checkRequest, type RequestTarget } from "./protocol/check-request.ts";
import { readInferRequest } from "./protocol/v2/infer-request-json.ts";

/** Beside the model file: a request a line, of the Open Inference Protocol in JSON. */
export const WARM_UP_FILE = "warmup.jsonl";
const MAX_FILE_BYTES = 16 * 1024 * 1024;
const MAX_FILE_REQUESTS = 100;

/**
 * The inputs of the requests that a version is to be warmed up with: those of the configuration, then those of the file
 * beside the model. State that a request leaves out is zeros. Throws ReplicaFailureError (WarmupFailed) for a request
 * that does not fit the model.
 */
export async function readWarmUpRequests(
  { modelFile }: FetchedVersion,
  { warmup }: Pick<ModelConfig, "warmup">,
  target: RequestTarget,
): Promise<readonly (readonly Tensor[])[]> {
  const lines = await readLines(join(dirname(modelFile), WARM_UP_FILE));
  const sources = [
    ...warmup.requests.map((text, index) => ({ text, name: `warmup.requests[${index}]` })),
    ...lines.map((text, index) => ({ text, name: `${WARM_UP_FILE}, request ${index + 1}` })),
  ];
  return sources.map(({ text, name }) => {
    try {
      return decodeWarmUpRequest(text, target);
    } catch (cause) {
      const { message } = ServingError.from(cause);
      throw new ReplicaFailureError("WarmupFailed", `${name}: ${message}`, { cause });
    }
  });
}

/** Reads one request. Throws ServingError. */
export function decodeWarmUpRequest(text: string, target: RequestTarget): readonly Tensor[] {
  const { inputs } = checkRequest(readInferRequest(new TextEncoder().encode(text)), target);
  const given = new Map(inputs.map((input) => [input.name, input]));
  return syntheticInputs(target.signature.inputs).map((zeros) => given.get(zeros.name) ?? zeros);
}

/** The lines that are not empty; none if there is no file. */
async function readLines(file: string): Promise<readonly string[]> {
  let text: string;
  try {
    await using handle = await open(file);
    const { size } = await handle.stat();
    if (size > MAX_FILE_BYTES)
      throw new ReplicaFailureError("WarmupFailed", `${WARM_UP_FILE}: expected at most 16 MiB, got ${size} bytes`);
    text = await handle.readFile("utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length <= MAX_FILE_REQUESTS) return lines;
  throw new ReplicaFailureError(
    "WarmupFailed",
    `${WARM_UP_FILE}: expected at most ${MAX_FILE_REQUESTS} requests, got ${lines.length}`,
  );
}
