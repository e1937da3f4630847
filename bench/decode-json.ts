import { readInferRequest } from "../runtime/protocol/v2/infer-request-json.ts";
import { seededRandom } from "../test/fixtures/random-numbers.ts";
import type { DecodeRound } from "./results.ts";

/** The process that measures how long a tensor in JSON takes to be decoded, two ways in turn. This file is an entry. */

/** How numbers are written: in full, as Python's and JavaScript's clients write an FP32, or with six decimals. */
export type Digits = "in full" | "six decimals";

export interface DecodeJob {
  /** Of FP32. */
  readonly elements: number;
  readonly digits: Digits;
  readonly rounds: number;
  /** Of each way in each round. */
  readonly measureMs: number;
}

process.once("message", ({ elements, digits, rounds, measureMs }: DecodeJob) => {
  const random = seededRandom(elements);
  const data = Array.from({ length: elements }, () => {
    return digits === "in full" ? Math.fround(random()) : Number(random().toFixed(6));
  });
  const inputs = [{ name: "input", shape: [1, elements], datatype: "FP32", data }];
  const body = Buffer.from(JSON.stringify({ inputs }));
  const lockstep = (): unknown => readInferRequest(body);
  const jsonParse = (): unknown => {
    const request = JSON.parse(body.toString()) as { inputs: readonly { readonly data: readonly number[] }[] };
    return Float32Array.from(request.inputs[0]?.data ?? []);
  };
  timeOf(lockstep, measureMs);
  timeOf(jsonParse, measureMs);
  const result = Array.from({ length: rounds }, (): DecodeRound => {
    return { lockstepUs: timeOf(lockstep, measureMs), jsonParseUs: timeOf(jsonParse, measureMs) };
  });
  process.send?.({ kind: "result", result }, () => process.exit(0));
});
process.once("disconnect", () => process.exit(1));

/** CPU time of one call, in microseconds. */
function timeOf(decode: () => unknown, measureMs: number): number {
  const endMs = performance.now() + measureMs;
  const before = process.cpuUsage();
  let calls = 0;
  let kept: unknown;
  for (; performance.now() < endMs; calls++) kept = decode();
  const { user, system } = process.cpuUsage(before);
  if (kept === undefined) throw new Error("expected a tensor, got none");
  return (user + system) / calls;
}
