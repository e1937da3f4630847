import * as fc from "fast-check";
import { describe, expect, inject, test } from "vitest";
import type { Datatype, Tensor } from "../../runtime/core/tensor.ts";
import { ENCODINGS } from "./encodings/all-encodings.ts";
import { identityName } from "./models.ts";
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

describe("whatever the elements are, every way gives them back", () => {
  const size = { minLength: 1, maxLength: 40 };
  const finite = { noNaN: true, noDefaultInfinity: true, ...size };
  const data: { readonly [D in Datatype]: fc.Arbitrary<Tensor["data"]> } = {
    BOOL: fc.array(fc.boolean(), size).map((values) => Uint8Array.from(values, Number)),
    UINT8: fc.uint8Array(size),
    UINT16: fc.uint16Array(size),
    UINT32: fc.uint32Array(size),
    UINT64: fc.bigUint64Array(size),
    INT8: fc.int8Array(size),
    INT16: fc.int16Array(size),
    INT32: fc.int32Array(size),
    INT64: fc.bigInt64Array(size),
    FP16: fc.uint16Array(size).map((values) => values.map((bits) => ((bits & 0x7c00) === 0x7c00 ? 0 : bits))),
    FP32: fc.float32Array(finite),
    FP64: fc.float64Array(finite),
    // The engine takes no NUL in texts.
    BYTES: fc.array(
      fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "0").toWellFormed()),
      size,
    ),
  };

  test.each(Object.entries(data))("%s", async (datatype, arbitrary) => {
    await fc.assert(
      fc.asyncProperty(arbitrary, async (elements) => {
        const input = { name: "input", datatype, shape: [elements.length], data: elements } as Tensor;
        const model = identityName(input.datatype);
        const vector: Vector = { name: "any", model, inputs: [input], outputs: ["output"], isFinite: true };
        for (const encoding of ENCODINGS.filter(({ accepts }) => accepts(vector))) {
          expect(await encoding.send(replica, vector)).toEqual(expectedOf(vector));
        }
      }),
      { numRuns: 15 },
    );
  });
});
