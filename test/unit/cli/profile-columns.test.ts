import { describe, expect, test } from "vitest";
import { mapColumns, numberOf, valuesOfRow } from "../../../cli/profile-columns.ts";
import { ColumnProfileBuilder, ModelProfileBuilder } from "../../../cli/profile-builder.ts";
import type { Signature } from "../../../runtime/core/tensor.ts";

const SIGNATURE: Signature = {
  inputs: [{ name: "x", datatype: "FP32", shape: [-1, 2] }],
  outputs: [
    { name: "label", datatype: "INT64", shape: [-1] },
    { name: "probabilities", datatype: "FP32", shape: [-1, 2] },
  ],
};

describe("columns of a model", () => {
  test.each([
    ["of the input's name", ["x", "label"], ["x"]],
    ["of the input's name with an index", ["x[1]", "x[0]"], ["x[0]", "x[1]"]],
    ["of any names, in their order", ["age", "bmi", "label"], ["age", "bmi"]],
  ])("are those %s", (_what, present, columns) => {
    expect(mapColumns(SIGNATURE, present).tensors.find(({ plan }) => plan.side === "input")?.columns).toEqual(columns);
  });

  test("are told where they are none", () => {
    expect(() => mapColumns(SIGNATURE, ["age", "label"])).toThrow(
      "Missing: x (2 values a row), or x[0] to x[1]. There are 1",
    );
  });

  test("may lack an input where others are there, which is told", () => {
    const inputs: Signature["inputs"] = [...SIGNATURE.inputs, { name: "rate", datatype: "INT64", shape: [-1] }];
    expect(mapColumns({ ...SIGNATURE, inputs }, ["x", "id"])).toMatchObject({ missing: ["rate"], unused: ["id"] });
  });

  test("have values as requests bring them: lists or cells, rounded as the datatype is, missing ones too", () => {
    const [x] = mapColumns(SIGNATURE, ["x"]).tensors;
    const [cells] = mapColumns(SIGNATURE, ["x[0]", "x[1]"]).tensors;
    if (x === undefined || cells === undefined) throw new Error("expected tensors");
    expect([...valuesOfRow(x, { x: [[0.1, 2n]] }, "f, row 1").values]).toEqual([Math.fround(0.1), 2]);
    expect([...valuesOfRow(cells, { "x[0]": " 3.5 ", "x[1]": "NA" }, "f, row 1").values]).toEqual([3.5, Number.NaN]);
    expect(() => valuesOfRow(x, { x: [1] }, "f, row 7")).toThrow("f, row 7, x: expected 2 values, got 1");
    expect(() => valuesOfRow(cells, { "x[0]": "secret", "x[1]": 1 }, "f, row 7")).toThrow(
      /^f, row 7, x\[0\]: expected a number, or nothing where it is missing$/,
    );
  });

  test("are told of outputs that are none of them, whose values are the model's answers", () => {
    const { answers, inputs } = mapColumns(SIGNATURE, ["x", "label"]);
    expect(answers.map(({ tensor }) => tensor)).toEqual(["probabilities"]);
    expect(inputs).toMatchObject([{ spec: { name: "x" }, columns: ["x"] }]);
  });

  test("are found for inputs too that are not watched", () => {
    const words: Signature = { ...SIGNATURE, inputs: [{ name: "words", datatype: "BYTES", shape: [-1, 100] }] };
    expect(mapColumns(words, ["words"])).toMatchObject({ tensors: [], inputs: [{ columns: ["words"] }], missing: [] });
  });

  test("become features of the names that a replica has", () => {
    const builder = new ModelProfileBuilder(SIGNATURE, ["x", "label"]);
    builder.add({ x: [1, 2], label: 1 }, "f, row 1");
    expect(builder.features().map(({ name, side }) => `${side} ${name}`)).toEqual([
      "input x[0]",
      "input x[1]",
      "output label",
    ]);
  });
});

describe("columns without a model", () => {
  test("are numbers, unless some value is none", () => {
    const builder = new ColumnProfileBuilder(["a", "b", "c"], ["c"]);
    builder.add({ a: "1", b: "1", c: "yes" }, "f, row 1");
    builder.add({ a: "", b: "one", c: "no" }, "f, row 2");
    expect(builder.features()).toMatchObject([
      { name: "a", side: "input", sketch: { kind: "numeric", values: [1], missing: 1 } },
      { name: "b", side: "input", sketch: { kind: "categorical", values: ["1", "one"] } },
      { name: "b.length", side: "input" },
      { name: "c", side: "output", sketch: { kind: "categorical", values: ["no", "yes"] } },
      { name: "c.length", side: "output" },
    ]);
  });

  test("must be there to be outputs", () => {
    expect(() => new ColumnProfileBuilder(["a"], ["label"])).toThrow("--output label: there is no such column");
  });
});

test.each([
  ["12.5", 12.5],
  [" null ", Number.NaN],
  [undefined, Number.NaN],
  [true, 1],
  [3n, 3],
])("numberOf(%s) is %d", (cell, number) => {
  expect(numberOf(cell, "f")).toBe(number);
});
