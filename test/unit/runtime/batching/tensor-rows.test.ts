import { Buffer } from "node:buffer";
import { describe, expect, test } from "vitest";
import { copyTensor, joinRows, viewRows } from "../../../../runtime/batching/tensor-rows.ts";
import { variedInputs } from "../../../../runtime/core/synthetic-request.ts";
import { DATATYPES, type Datatype, type Tensor } from "../../../../runtime/core/tensor.ts";

describe.each(Object.keys(DATATYPES) as Datatype[])("%s", (datatype) => {
  const rows = (count: number): Tensor[] =>
    Array.from(
      { length: count },
      (_, row) => variedInputs([{ name: "a", datatype, shape: [-1, 2, 3] }], row)[0] as Tensor,
    );

  test("rows joined, and taken apart again, are the same", () => {
    const parts = rows(4);
    const joined = joinRows(parts, 4);
    expect(joined.shape).toEqual([4, 2, 3]);
    expect(joined.datatype).toBe(datatype);
    expect(parts.map((_, row) => viewRows(joined, row, row + 1))).toEqual(parts);
    expect(viewRows(joined, 1, 3)).toEqual(joinRows(parts.slice(1, 3), 2));
  });

  test("a copy has a buffer of its own", () => {
    const [tensor] = rows(1);
    if (tensor === undefined) throw new Error("unreachable");
    const copy = copyTensor(tensor);
    expect(copy).toEqual(tensor);
    expect(copy.data).not.toBe(tensor.data);
  });
});

test("a view shares the numbers, a joined tensor does not", () => {
  const data = Float32Array.of(1, 2, 3, 4);
  const tensor: Tensor = { name: "a", datatype: "FP32", shape: [2, 2], data };
  const view = viewRows(tensor, 1, 2);
  const joined = joinRows([tensor, tensor], 4);
  data[2] = 9;
  expect([...view.data]).toEqual([9, 4]);
  expect([...joined.data]).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
});

test("a copy of bytes that came in a Buffer is no Buffer, whose memory others use", () => {
  const data = Buffer.from([1, 0, 1]) as Uint8Array<ArrayBuffer>;
  const copy = copyTensor({ name: "a", datatype: "BOOL", shape: [3], data });
  expect(copy.data).toEqual(Uint8Array.of(1, 0, 1));
  expect(copy.datatype === "BYTES" ? 0 : copy.data.buffer.byteLength).toBe(3);
});
