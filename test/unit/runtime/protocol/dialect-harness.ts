import type { StateBinding } from "../../../../common/runtime-config.ts";
import type { Signature, Tensor, TensorData, TensorSpec } from "../../../../runtime/core/tensor.ts";
import type { ServableView } from "../../../../runtime/core/servable.ts";
import { ServingError } from "../../../../runtime/errors.ts";
import type { Dialect, PreparedRequest, WireAnswer } from "../../../../runtime/protocol/dialect.ts";
import { mutateBytes } from "../../../fixtures/mutate-bytes.ts";
import { randomNumbers } from "../../../fixtures/random-numbers.ts";

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

/**
 * How often each outcome came of `runs` mutations of the bodies; an error that is not ours is its own text, and so is
 * what `checkAnswer` throws.
 */
export function fuzz(
  dialect: Dialect,
  requests: readonly { readonly body: string; readonly headers?: Headers }[],
  servable: ServableView,
  runs: number,
  checkAnswer: (answer: WireAnswer) => void = () => undefined,
): Map<string, number> {
  const random = randomNumbers(20_261_122);
  const outputs = zeroOutputs(servable.signature.outputs);
  const counts = new Map<string, number>();
  for (let run = 0; run < runs; run++) {
    const { body, headers } = requests[run % requests.length] as (typeof requests)[number];
    const mutated = mutateBytes(Buffer.from(body), random);
    const outcome = outcomeOf(() => {
      checkAnswer(answerTo(dialect, { body: mutated, ...(headers !== undefined && { headers }) }, servable, outputs));
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
