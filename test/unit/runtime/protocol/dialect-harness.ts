import type { StateBinding } from "../../../../common/runtime-config.ts";
import type { Signature, Tensor, TensorData, TensorSpec } from "../../../../runtime/core/tensor.ts";
import type { ServableView } from "../../../../runtime/core/servable.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import type { Dialect, PreparedRequest, WireAnswer } from "../../../../runtime/protocol/dialect.ts";

/** A model for dialects, which never runs. */
export function servableOf(signature: Signature, state: readonly StateBinding[] = []): ServableView {
  return { id: { name: "m", version: 3 }, digest: "sha256:00", signature, state };
}

export type Headers = Readonly<Record<string, string>>;

/** Reads a request. */
export function prepare(
  dialect: Dialect,
  body: string | Uint8Array,
  servable: ServableView,
  headers: Headers = {},
): PreparedRequest {
  const header = (name: string): string | undefined => headers[name];
  dialect.checkHead({ header });
  return dialect.prepare({ body: Buffer.from(body), header }, servable);
}

/** The inputs of a request: shape and elements by name. */
export function inputsOf(
  dialect: Dialect,
  body: string | Uint8Array,
  servable: ServableView,
  headers: Headers = {},
): Record<string, { readonly shape: readonly number[]; readonly data: TensorData }> {
  const { inputs } = prepare(dialect, body, servable, headers);
  return Object.fromEntries(inputs.map(({ name, shape, data }) => [name, { shape, data }]));
}

/** What a request is answered when the model gives these outputs; of them, those that the request wants. */
export function answerTo(
  dialect: Dialect,
  request: { readonly body: string | Uint8Array; readonly headers?: Headers },
  servable: ServableView,
  outputs: readonly Tensor[],
): WireAnswer {
  const prepared = prepare(dialect, request.body, servable, request.headers);
  const wanted = prepared.outputs?.map((name) => outputs.find((output) => output.name === name) as Tensor) ?? outputs;
  return prepared.writeAnswer({ servable, outputs: wanted });
}

/** The body of an answer as text. */
export function textOf({ body }: WireAnswer): string {
  if (typeof body === "string") return body;
  return body instanceof Uint8Array ? Buffer.from(body).toString() : Buffer.concat(body).toString();
}

/** Outputs of zeros, and empty texts, with a batch of one. */
export function zeroOutputs(outputs: readonly TensorSpec[]): Tensor[] {
  return outputs.map(({ name, datatype, shape: spec }) => {
    const shape = spec.map((length) => (length === -1 ? 1 : length));
    const length = shape.reduce((product, each) => product * each, 1);
    const data = {
      FP32: new Float32Array(length),
      INT64: new BigInt64Array(length),
      BYTES: Array.from({ length }, () => ""),
    }[datatype as "FP32" | "INT64" | "BYTES"];
    return { name, datatype, shape, data } as Tensor;
  });
}

/** Numbers from 0 to 2^32 - 1 that look random and are always the same (xorshift). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

/** What mutations insert: what the grammars are made of, what numbers overflow with, what breaks UTF-8. */
const PIECES = [
  ...Array.from('{}[]",:\\-+.eE0123456789 \n\r;='),
  '"x"',
  "null",
  "true",
  "NaN",
  "-Infinity",
  "1e999",
  "-0",
  "[[",
  "]]",
  "99999999999999999999",
  '"instances":',
  '"inputs":',
  '"outputs":',
  '"columns":',
  '"data":',
  '"b64":',
  '{"b64":"YQ=="}',
  "\\u0000",
  "\\ud800",
  "\u0000",
  "é",
  "😀",
  '"__proto__":',
  "[".repeat(100),
].map((text) => Buffer.from(text));

function mutate(body: Buffer, random: () => number): Buffer {
  let bytes = body;
  for (let count = 1 + (random() % 4); count > 0; count--) {
    const at = random() % (bytes.length + 1);
    const length = random() % 8;
    const piece = PIECES[random() % PIECES.length] as Buffer;
    const copied = bytes.subarray(random() % bytes.length).subarray(0, random() % 40);
    const middles = [piece, Buffer.of(random() & 0xff), copied, Buffer.of()];
    bytes = Buffer.concat([bytes.subarray(0, at), middles[random() % 4] as Buffer, bytes.subarray(at + length)]);
    if (bytes.length === 0) return body.subarray(0, 1);
  }
  return bytes;
}

/** How often each outcome came of `runs` mutations of the bodies; an error that is not ours is its own text. */
export function fuzz(
  dialect: Dialect,
  requests: readonly { readonly body: string; readonly headers?: Headers }[],
  servable: ServableView,
  runs: number,
): Map<string, number> {
  const random = randomNumbers(20_261_122);
  const outputs = zeroOutputs(servable.signature.outputs);
  const counts = new Map<string, number>();
  for (let run = 0; run < runs; run++) {
    const { body, headers } = requests[run % requests.length] as (typeof requests)[number];
    const mutated = mutate(Buffer.from(body), random);
    const outcome = outcomeOf(() => {
      answerTo(dialect, { body: mutated, ...(headers !== undefined && { headers }) }, servable, outputs);
    }, mutated);
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  }
  return counts;
}

function outcomeOf(run: () => void, body: Buffer): string {
  try {
    run();
    return "OK";
  } catch (error) {
    if (error instanceof ServingError) return error.code;
    return `${String(error)} for ${JSON.stringify(body.toString("latin1"))}`;
  }
}
