import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { incompatibilityOf } from "../../../../runtime/core/signature-compatibility.ts";
import { DATATYPES, type Datatype, type Signature, type TensorSpec } from "../../../../runtime/core/tensor.ts";

const spec = (name: string, shape: readonly number[], datatype: Datatype = "FP32"): TensorSpec => ({
  name,
  datatype,
  shape,
});
const image = spec("image", [-1, 64]);
const label = spec("label", [-1], "INT64");
const serving: Signature = { inputs: [image], outputs: [label] };

describe("whether clients of a version can use another", () => {
  const rows: readonly [string, Partial<Signature>, string | undefined][] = [
    ["the same signature", {}, undefined],
    ["an input that is missing", { inputs: [] }, 'input "image": expected FP32 [-1,64], got none'],
    [
      "an input of another name",
      { inputs: [spec("picture", [-1, 64])] },
      'input "image": expected FP32 [-1,64], got none',
    ],
    [
      "an input of another datatype",
      { inputs: [spec("image", [-1, 64], "FP64")] },
      'input "image": expected FP32 [-1,64], got FP64 [-1,64]',
    ],
    [
      "an input of another rank",
      { inputs: [spec("image", [-1, 8, 8])] },
      'input "image": expected FP32 [-1,64], got FP32 [-1,8,8]',
    ],
    [
      "an input of another length",
      { inputs: [spec("image", [-1, 65])] },
      'input "image": expected FP32 [-1,64], got FP32 [-1,65]',
    ],
    [
      "an input that has got a fixed length",
      { inputs: [spec("image", [1, 64])] },
      'input "image": expected FP32 [-1,64], got FP32 [1,64]',
    ],
    ["an input that takes any length by now", { inputs: [spec("image", [-1, -1])] }, undefined],
    ["a new input", { inputs: [image, spec("mask", [-1])] }, 'input "mask": expected none, got FP32 [-1]'],
    ["a new input that is a state", { inputs: [spec("state", [-1]), image] }, undefined],
    ["an output that is missing", { outputs: [] }, 'output "label": expected INT64 [-1], got none'],
    [
      "an output of another datatype",
      { outputs: [spec("label", [-1], "BYTES")] },
      'output "label": expected INT64 [-1], got BYTES [-1]',
    ],
    [
      "an output of another rank",
      { outputs: [spec("label", [-1, 1], "INT64")] },
      'output "label": expected INT64 [-1], got INT64 [-1,1]',
    ],
    ["a further output", { outputs: [spec("scores", [-1, 10]), label] }, undefined],
  ];
  test.each(rows)("%s", (_, changes, reason) => {
    expect(incompatibilityOf(serving, { ...serving, ...changes }, new Set(["state"]))).toBe(reason);
  });

  test("an output's length may become dynamic or known, not another one", () => {
    const outputs = (length: number): Signature => ({ ...serving, outputs: [spec("scores", [length])] });
    expect(incompatibilityOf(outputs(10), outputs(-1))).toBeUndefined();
    expect(incompatibilityOf(outputs(-1), outputs(10))).toBeUndefined();
    expect(incompatibilityOf(outputs(10), outputs(11))).toBe('output "scores": expected FP32 [10], got FP32 [11]');
  });
});

const datatype = fc.constantFrom(...(Object.keys(DATATYPES) as Datatype[]));
const shape = fc.array(fc.constantFrom(-1, 1, 2, 3), { maxLength: 3 });
const specs = fc.uniqueArray(fc.record({ name: fc.constantFrom("a", "b", "c", "d"), datatype, shape }), {
  selector: ({ name }) => name,
  maxLength: 4,
});
const signature: fc.Arbitrary<Signature> = fc.record({ inputs: specs, outputs: specs });

/** Two signatures of which one was made of the other, by changes that are often harmless. */
const relatives = signature.chain((before) => {
  const length = (old: number): fc.Arbitrary<number> =>
    fc.oneof({ weight: 6, arbitrary: fc.constant(old) }, { weight: 2, arbitrary: fc.constant(-1) }, fc.constant(3));
  const field = (old: TensorSpec): fc.Arbitrary<TensorSpec> =>
    fc.record({
      name: fc.constant(old.name),
      datatype: fc.oneof({ weight: 12, arbitrary: fc.constant(old.datatype) }, datatype),
      shape: fc.tuple(...old.shape.map(length)),
    });
  const fields = (old: readonly TensorSpec[]): fc.Arbitrary<TensorSpec[]> => fc.tuple(...old.map(field));
  return fc.tuple(fc.constant(before), fc.record({ inputs: fields(before.inputs), outputs: fields(before.outputs) }));
});

/** Whether a tensor of these lengths could be this input or output. */
const admits = (wanted: TensorSpec, type: Datatype, lengths: readonly number[]): boolean =>
  wanted.datatype === type &&
  wanted.shape.length === lengths.length &&
  wanted.shape.every((length, axis) => length === -1 || length === lengths[axis]);

describe("for all signatures", () => {
  test("one suits itself, whatever the order of its fields", () => {
    fc.assert(
      fc.property(signature, ({ inputs, outputs }) => {
        const reversed = { inputs: inputs.toReversed(), outputs: outputs.toReversed() };
        expect(incompatibilityOf({ inputs, outputs }, reversed)).toBeUndefined();
      }),
    );
  });

  test("dimensions that become dynamic, and further outputs, change nothing for clients", () => {
    const widened = fc.record({ of: signature, mask: fc.array(fc.boolean(), { minLength: 24, maxLength: 24 }) });
    fc.assert(
      fc.property(widened, shape, ({ of, mask }, more) => {
        let next = 0;
        const widen = (field: TensorSpec): TensorSpec => ({
          ...field,
          shape: field.shape.map((length) => (mask[next++ % mask.length] === true ? -1 : length)),
        });
        const candidate = { inputs: of.inputs.map(widen), outputs: [...of.outputs.map(widen), spec("more", more)] };
        expect(incompatibilityOf(of, candidate)).toBeUndefined();
      }),
    );
  });

  test("what is said to suit takes every request of the other's clients, and answers each of them", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });
    fc.assert(
      fc.property(relatives, lengths, ([before, after], tried) => {
        if (incompatibilityOf(before, after) !== undefined) return;
        expect(after.inputs.map(({ name }) => name).toSorted()).toEqual(
          before.inputs.map(({ name }) => name).toSorted(),
        );
        for (const input of before.inputs) {
          const found = after.inputs.find(({ name }) => name === input.name);
          const isTaken = found !== undefined && admits(found, input.datatype, tried);
          expect(isTaken || !admits(input, input.datatype, tried)).toBe(true);
        }
        for (const output of before.outputs)
          expect(after.outputs.find(({ name }) => name === output.name)).toMatchObject({ datatype: output.datatype });
      }),
    );
  });

  test("a reason names a field of one of the two", () => {
    fc.assert(
      fc.property(signature, signature, (before, after) => {
        const reason = incompatibilityOf(before, after);
        if (reason === undefined) return;
        const match = /^(input|output) "([a-d])": expected (.+), got (.+)$/.exec(reason);
        expect(match?.[3]).not.toBe(match?.[4]);
        const fields = match?.[1] === "input" ? [before.inputs, after.inputs] : [before.outputs, after.outputs];
        expect(fields.flat().map(({ name }) => name)).toContain(match?.[2]);
      }),
    );
  });
});
