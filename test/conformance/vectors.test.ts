import { describe, expect, inject, test } from "vitest";
import type { Tensor } from "../../runtime/core/tensor.ts";
import { ENCODINGS } from "./encodings/all-encodings.ts";
import { VECTORS, type Vector } from "./vectors.ts";

const replica = { httpUrl: inject("httpUrl"), grpcAddress: inject("grpcAddress") };

/** What an identity must answer. */
function expectedOf({ inputs, outputs }: Vector): Tensor[] {
  return inputs.map((input, index) => ({ ...input, name: outputs[index] ?? "" }));
}

describe.each(ENCODINGS)("$name", (encoding) => {
  test.each(VECTORS.filter(encoding.accepts))("$name", async (vector) => {
    expect(await encoding.send(replica, vector)).toEqual(expectedOf(vector));
  });
});

test("every vector is carried by several ways to ask", () => {
  const isLonely = (vector: Vector): boolean => ENCODINGS.filter(({ accepts }) => accepts(vector)).length < 2;
  expect(VECTORS.filter(isLonely).map(({ name }) => name)).toEqual([]);
});
