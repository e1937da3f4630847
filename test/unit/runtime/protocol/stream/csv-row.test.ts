import { expect, test } from "vitest";
import type { ServableView } from "../../../../../runtime/core/servable.ts";
import type { Signature } from "../../../../../runtime/core/tensor.ts";
import { csvRowReader } from "../../../../../runtime/protocol/stream/csv-row.ts";

const SIGNATURE: Signature = {
  inputs: [
    { name: "age", datatype: "FP32", shape: [-1, 1] },
    { name: "town", datatype: "BYTES", shape: [-1, 1] },
  ],
  outputs: [],
};

function readerFor(signature: Signature): (line: string) => unknown {
  const servable: ServableView = { id: { name: "m", version: 1 }, digest: "", signature, state: [] };
  const read = csvRowReader(servable);
  return (line) => read(Buffer.from(line), signature.inputs)?.map(({ data }) => [...data]);
}

test("columns are the inputs in the order of a first line of names, or of the model", () => {
  const named = readerFor(SIGNATURE);
  expect([named("town,age"), named("Ulm,7"), named('"a,b",8')]).toEqual([undefined, [[7], ["Ulm"]], [[8], ["a,b"]]]);
  const unnamed = readerFor(SIGNATURE);
  expect([unnamed("7,Ulm"), unnamed("8,town")]).toEqual([
    [[7], ["Ulm"]],
    [[8], ["town"]],
  ]);
});

test("a row with too few cells fails alone", () => {
  const read = readerFor(SIGNATURE);
  read("town,age");
  expect(() => read("Ulm")).toThrow("expected 2 cells, got 1");
  expect(() => read("Ulm,1\nUlm,2")).toThrow("expected a value for input");
  expect(read("Ulm,7")).toEqual([[7], ["Ulm"]]);
});

test("very many names cost nothing with each row", () => {
  const read = readerFor({ inputs: [{ name: "x", datatype: "FP32", shape: [-1, -1] }], outputs: [] });
  read(Array.from({ length: 200_000 }, (_, column) => `c${column}`).join(","));
  for (let row = 0; row < 1_000; row++) expect(() => read("1")).toThrow("expected 200000 cells, got 1");
});
