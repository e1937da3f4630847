import { expect, test } from "vitest";
import { syntheticInputs } from "../../../../runtime/core/synthetic-request.ts";
import { DATATYPES, type Datatype } from "../../../../runtime/core/tensor.ts";

test.each(Object.keys(DATATYPES) as Datatype[])(
  "%s: zeros of the model's shape, 1 where the request chooses",
  (datatype) => {
    const [input] = syntheticInputs([{ name: "a", datatype, shape: [-1, 2, 3] }]);
    expect(input).toMatchObject({ name: "a", datatype, shape: [1, 2, 3] });
    const data = [...(input?.data ?? [])];
    expect(data).toHaveLength(6);
    expect(new Set(data.map((element) => (datatype === "BYTES" ? element : Number(element))))).toEqual(
      new Set([datatype === "BYTES" ? "" : 0]),
    );
  },
);

test("a scalar has one element, an empty dimension none", () => {
  const [scalar, empty] = syntheticInputs([
    { name: "a", datatype: "FP32", shape: [] },
    { name: "b", datatype: "BYTES", shape: [-1, 0] },
  ]);
  expect(scalar?.data).toHaveLength(1);
  expect(empty?.data).toEqual([]);
});
