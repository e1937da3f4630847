import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { draftOf, filled, parseShape, requestOf } from "../../../../runtime/ui/page/request-draft.ts";

const spec = (datatype: string, shape: readonly number[], name = "x") => ({ name, datatype, shape });

describe("a draft", () => {
  test("is a request that any model with its inputs answers", () => {
    const drafts = draftOf([spec("FP32", [-1, 2], "a"), spec("BYTES", [1], "b"), spec("BOOL", [], "c")]);
    const request = requestOf(drafts);
    expect("body" in request ? JSON.parse(request.body) : request).toEqual({
      inputs: [
        { name: "a", shape: [1, 2], datatype: "FP32", data: [0, 0] },
        { name: "b", shape: [1], datatype: "BYTES", data: ["some text"] },
        { name: "c", shape: [], datatype: "BOOL", data: [false] },
      ],
    });
  });

  test("keeps numbers as they were written", () => {
    const [draft] = draftOf([spec("INT64", [1])]);
    if (draft === undefined) throw new Error("unreachable");
    expect(requestOf([{ ...draft, dataText: " [9007199254740993] " }])).toEqual({
      body: '{"inputs": [{"name": "x", "shape": [1], "datatype": "INT64", "data": [9007199254740993]}]}',
    });
  });

  test.each([
    ["1, minus", "[0]", "shape: expected whole numbers"],
    ["1, -1", "[0]", "shape: expected whole numbers"],
    ["1", "[0", "data: expected JSON"],
    ["1", "0", "data: expected an array"],
  ])("of shape %s and data %s says what is wrong", (shapeText, dataText, problem) => {
    const [draft] = draftOf([spec("FP32", [1])]);
    if (draft === undefined) throw new Error("unreachable");
    const request = requestOf([{ ...draft, shapeText, dataText }]);
    expect("problems" in request && request.problems.get("x")).toContain(problem);
  });

  test("is filled with as many elements as its shape holds, of its type", () => {
    const datatype = fc.constantFrom("FP32", "INT64", "UINT8", "BOOL", "BYTES");
    fc.assert(
      fc.property(
        datatype,
        fc.array(fc.nat({ max: 5 }), { maxLength: 3 }),
        fc.float({ min: 0, max: Math.fround(0.99), noNaN: true }),
        (type, shape, random) => {
          const [draft] = draftOf([spec(type, shape)]);
          if (draft === undefined) throw new Error("unreachable");
          const data = JSON.parse(filled(draft, "random", () => random).dataText) as unknown[];
          expect(data).toHaveLength(shape.reduce((product, dim) => product * dim, 1));
          const expected = type === "BYTES" ? "string" : type === "BOOL" ? "boolean" : "number";
          expect(data.every((element) => typeof element === expected)).toBe(true);
        },
      ),
    );
  });

  test("takes shapes as people write them", () => {
    expect(["1, 64", "[1,64]", "1x64", "1 × 64", ""].map((text) => parseShape(text.replaceAll(/[[\]]/g, "")))).toEqual([
      [1, 64],
      [1, 64],
      [1, 64],
      [1, 64],
      [],
    ]);
  });
});
