import { describe, expect, test } from "vitest";
import { DATATYPES, type Datatype, type Signature, type Tensor } from "../../../../../runtime/core/tensor.ts";
import type { PreparedRequest, WireAnswer } from "../../../../../runtime/protocol/dialect.ts";
import { rawBytesOf } from "../../../../../runtime/protocol/v2/raw-tensor.ts";
import { V2_DIALECT } from "../../../../../runtime/protocol/v2/v2-dialect.ts";
import { SAMPLE_DATA, SAMPLE_ELEMENTS } from "../../../../fixtures/tensor-samples.ts";

const SIGNATURE: Signature = {
  inputs: [
    { name: "a", datatype: "FP32", shape: [-1, 2] },
    { name: "b", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [
    { name: "y", datatype: "FP32", shape: [-1, 3] },
    { name: "z", datatype: "BYTES", shape: [-1] },
  ],
};
const servable = (signature: Signature) => ({
  id: { name: "m", version: 3 },
  digest: "sha256:00",
  signature,
  state: [],
});

const TEXTS = ["grüße", ""];
const OUTPUTS: readonly Tensor[] = [
  { name: "y", datatype: "FP32", shape: [2, 3], data: Float32Array.of(0.5, -1, 2, 9, 9, Number.NaN) },
  { name: "z", datatype: "BYTES", shape: [2], data: TEXTS },
];

interface Sent {
  readonly json: unknown;
  readonly blobs?: readonly Uint8Array[];
  /** Default: that of the JSON; null leaves it out. */
  readonly header?: string | null;
}

function prepare({ json, blobs = [], header }: Sent, signature = SIGNATURE): PreparedRequest {
  const text = Buffer.from(typeof json === "string" ? json : JSON.stringify(json));
  const length = header === undefined ? String(text.length) : (header ?? undefined);
  return V2_DIALECT.prepare(
    {
      body: Buffer.concat([text, ...blobs]),
      header: (name) => (name === "inference-header-content-length" ? length : undefined),
    },
    servable(signature),
  );
}

/** The JSON of an answer, and the binary data behind it. */
function split({ body, headers, contentType }: WireAnswer): { json: unknown; binary: Buffer | undefined } {
  const parts = typeof body === "string" ? [Buffer.from(body)] : body instanceof Uint8Array ? [body] : body;
  const whole = Buffer.concat(parts);
  const length = headers?.["inference-header-content-length"];
  expect(contentType).toBe(length === undefined ? undefined : "application/octet-stream");
  if (length === undefined) return { json: JSON.parse(whole.toString()), binary: undefined };
  const json: unknown = JSON.parse(whole.subarray(0, Number(length)).toString());
  return { json, binary: whole.subarray(Number(length)) };
}

const A = Float32Array.of(1, 2, 3, 4);
const B = Buffer.from("\x07\0\0\0grüße\0\0\0\0");
const a = (parameters: object = { binary_data_size: 16 }) => ({
  name: "a",
  datatype: "FP32",
  shape: [2, 2],
  parameters,
});
const b = (parameters: object = { binary_data_size: B.length }) => ({
  name: "b",
  datatype: "BYTES",
  shape: [2],
  parameters,
});
const bytesOf = (data: Float32Array<ArrayBuffer>): Uint8Array => new Uint8Array(data.buffer);

describe("binary inputs", () => {
  test("all of them, in the order of the request", () => {
    const expected = [
      { name: "a", datatype: "FP32", shape: [2, 2], data: A },
      { name: "b", datatype: "BYTES", shape: [2], data: TEXTS },
    ];
    expect(prepare({ json: { inputs: [a(), b()] }, blobs: [bytesOf(A), B] }).inputs).toEqual(expected);
    expect(prepare({ json: { inputs: [b(), a()] }, blobs: [B, bytesOf(A)] }).inputs).toEqual(expected);
  });

  test("some of them, others in JSON", () => {
    const inJson = { name: "b", datatype: "BYTES", shape: [2], data: TEXTS };
    const { inputs } = prepare({ json: { inputs: [inJson, a()] }, blobs: [bytesOf(A)] });
    expect(inputs.map(({ data }) => data)).toEqual([A, TEXTS]);
  });

  test("none of them", () => {
    const inputs = [
      { ...a({}), data: [1, 2, 3, 4] },
      { ...b({}), data: TEXTS },
    ];
    expect(prepare({ json: { inputs } }).inputs.map(({ data }) => data)).toEqual([A, TEXTS]);
  });

  test.each([0, 1, 2, 3])("numbers are a view where they are aligned: %i bytes off", (offset) => {
    const json = JSON.stringify({ inputs: [a(), { ...b({}), data: TEXTS }] });
    const padded = json + " ".repeat((8 - (json.length % 8)) % 8);
    const whole = Buffer.alloc(padded.length + 16 + offset);
    const body = whole.subarray(offset);
    body.write(padded);
    body.set(bytesOf(A), padded.length);
    const header = (name: string) => (name.startsWith("inference") ? String(padded.length) : undefined);
    const [input] = V2_DIALECT.prepare({ body, header }, servable(SIGNATURE)).inputs;
    const data = input?.data as Float32Array;
    expect(data).toEqual(A);
    expect(data.buffer === whole.buffer).toBe((whole.byteOffset + offset) % 4 === 0);
  });

  test.each([
    [
      "fewer bytes than the shape needs",
      { inputs: [a({ binary_data_size: 12 })] },
      [16],
      "expected 16 bytes for shape [2,2] of FP32, got 12",
    ],
    [
      "more bytes than the shape needs",
      { inputs: [a({ binary_data_size: 20 })] },
      [20],
      "expected 16 bytes for shape [2,2] of FP32, got 20",
    ],
    ["more bytes than the body has", { inputs: [a()] }, [15], "expected 16 bytes as binary_data_size says, got 15"],
    ["bytes left over", { inputs: [a(), { ...b({}), data: TEXTS }] }, [17], "got 1 more"],
    ["bytes behind JSON alone", { inputs: [] }, [1], "expected 0 bytes of binary data behind the JSON, got 1 more"],
    ["a negative size", { inputs: [a({ binary_data_size: -16 })] }, [16], "expected a number of bytes"],
    ["a fractional size", { inputs: [a({ binary_data_size: 16.5 })] }, [16], "expected a number of bytes"],
    ["a size that is text", { inputs: [a({ binary_data_size: "16" })] }, [16], "expected a number of bytes"],
    ["both forms", { inputs: [{ ...a(), data: [1, 2, 3, 4] }] }, [16], 'expected either "data" or binary_data_size'],
    ["neither form", { inputs: [a({})] }, [16], 'expected "data"'],
    [
      "a length beyond the end",
      { inputs: [b({ binary_data_size: 9 })] },
      "\x09\0\0\0grüße",
      "element 0: expected a length",
    ],
    [
      "half of a length",
      { inputs: [b({ binary_data_size: 10 })] },
      "\x04\0\0\0abcd\x01\0",
      "element 1: expected a length",
    ],
    ["fewer texts", { inputs: [b({ binary_data_size: 5 })] }, "\x01\0\0\0a", "element 1: expected a length"],
    [
      "more texts",
      { inputs: [b({ binary_data_size: 15 })] },
      "\x01\0\0\0a\x01\0\0\0b\x01\0\0\0c",
      "got 5 bytes behind them",
    ],
    [
      "a text that is not UTF-8",
      { inputs: [b({ binary_data_size: 9 })] },
      Buffer.from("\x01\0\0\0\xff\0\0\0\0", "latin1"),
      "element 0: expected a text in UTF-8",
    ],
  ] satisfies [string, object, readonly number[] | string | Buffer, string][])("%s", (_name, json, blob, message) => {
    const bytes = Array.isArray(blob) ? Buffer.alloc(blob[0] ?? 0) : Buffer.from(blob as Buffer);
    expect(() => prepare({ json, blobs: [bytes] })).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) as string }),
    );
  });

  test.each([
    ["-5", "expected a number of bytes"],
    ["5.0", "expected a number of bytes"],
    ["", "expected a number of bytes"],
    ["1e2", "expected a number of bytes"],
    ["0x5", "expected a number of bytes"],
    ["99999999999999999999", "expected a number of bytes"],
    ["13, 13", "expected a number of bytes"],
    ["14", "expected at most the 13 bytes of the body, got 14"],
    ["12", "body is not JSON"],
  ])("the header %j", (header, message) => {
    expect(() => prepare({ json: '{"inputs":[]}', header })).toThrow(message);
  });

  test("a byte of BOOL that is neither 0 nor 1", () => {
    const signature: Signature = { inputs: [{ name: "x", datatype: "BOOL", shape: [2] }], outputs: [] };
    const json = { inputs: [{ name: "x", datatype: "BOOL", shape: [2], parameters: { binary_data_size: 2 } }] };
    expect(prepare({ json, blobs: [Buffer.of(1, 0)] }, signature).inputs[0]?.data).toEqual(Uint8Array.of(1, 0));
    expect(() => prepare({ json, blobs: [Buffer.of(1, 2)] }, signature)).toThrow(
      "element 1: expected a byte of 0 or 1",
    );
  });
});

test.each(Object.keys(DATATYPES) as Datatype[])("binary data holds what JSON holds: %s", (datatype) => {
  const signature: Signature = { inputs: [{ name: "x", datatype, shape: [-1, 3] }], outputs: [] };
  const tensor = { name: "x", datatype, shape: [2, 3], data: SAMPLE_DATA[datatype] } as Tensor;
  const bytes = rawBytesOf(tensor);
  const head = { name: "x", datatype, shape: [2, 3] };
  const parameters = { binary_data_size: bytes.length };
  expect(prepare({ json: { inputs: [{ ...head, parameters }] }, blobs: [bytes] }, signature).inputs).toEqual([tensor]);
  const json = `{"inputs":[{"name":"x","datatype":"${datatype}","shape":[2,3],"data":[${SAMPLE_ELEMENTS[datatype].join(",")}]}]}`;
  expect(prepare({ json, header: null }, signature).inputs).toEqual([tensor]);
});

describe("a body that is all data", () => {
  const one = (datatype: Datatype, shape: readonly number[]): Signature => ({
    inputs: [{ name: "x", datatype, shape }],
    outputs: SIGNATURE.outputs,
  });
  const raw = (bytes: Uint8Array, signature: Signature): PreparedRequest =>
    prepare({ json: "", blobs: [bytes], header: "0" }, signature);

  test.each([
    ["fixed", [2, 2], [2, 2]],
    ["as many rows as there are", [-1, 2], [2, 2]],
    ["another dimension", [2, -1], [2, 2]],
    ["a batch of one", [-1, -1], [1, 4]],
    ["a batch of one of fixed rows", [-1, -1, 2], [1, 2, 2]],
  ])("%s", (_name, spec, shape) => {
    const { inputs, outputs } = raw(bytesOf(A), one("FP32", spec));
    expect(inputs).toEqual([{ name: "x", datatype: "FP32", shape, data: A }]);
    expect(outputs).toBeUndefined();
  });

  test("a text", () => {
    expect(raw(Buffer.from("grüße"), one("BYTES", [-1])).inputs).toEqual([
      { name: "x", datatype: "BYTES", shape: [1], data: ["grüße"] },
    ]);
  });

  test("is answered in binary", () => {
    const { json, binary } = split(
      raw(bytesOf(A), one("FP32", [2, 2])).writeAnswer({ servable: servable(SIGNATURE), outputs: OUTPUTS }),
    );
    expect(json).toMatchObject({ outputs: [{ parameters: { binary_data_size: 24 } }, { name: "z" }] });
    expect(binary?.length).toBe(24 + B.length);
  });

  test.each([
    ["several inputs", SIGNATURE, 'the model has inputs "a", "b"'],
    ["two dimensions to choose", one("FP32", [2, -1, -1]), "raw data needs a shape with one dimension to choose"],
    ["three of them", one("FP32", [-1, -1, -1]), "raw data needs a shape with one dimension to choose"],
    ["a length that does not fit", one("FP32", [-1, 3]), "expected 12 bytes for shape [1,3] of FP32, got 16"],
    ["no whole elements", one("FP64", [-1, 3]), "expected a batch of 1 or more"],
    ["several texts", one("BYTES", [2]), "raw data needs one element of BYTES"],
  ])("%s", (_name, signature, message) => {
    const sizes = message.includes("batch of 1") ? 0 : 16;
    expect(() => raw(Buffer.alloc(sizes), signature)).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) as string }),
    );
  });
});

describe("outputs", () => {
  const inputs = [
    { ...a({}), data: [1, 2, 3, 4] },
    { ...b({}), data: TEXTS },
  ];
  const answer = (rest: object, given: readonly Tensor[] = OUTPUTS) =>
    split(
      prepare({ json: { inputs, ...rest }, header: null }).writeAnswer({
        servable: servable(SIGNATURE),
        outputs: given,
      }),
    );
  const y = (parameters: object = {}) => ({ name: "y", parameters });
  const z = (parameters: object = {}) => ({ name: "z", parameters });

  test.each([
    ["all, by the request", { parameters: { binary_data_output: true } }, [true, true]],
    ["all, by the request, named", { parameters: { binary_data_output: true }, outputs: [y(), z()] }, [true, true]],
    ["one, by itself", { outputs: [y({ binary_data: true }), z()] }, [true, false]],
    [
      "the output's word counts more",
      { parameters: { binary_data_output: true }, outputs: [y(), z({ binary_data: false })] },
      [true, false],
    ],
    [
      "the output's word counts more, the other way",
      { parameters: { binary_data_output: false }, outputs: [y({ binary_data: true }), z()] },
      [true, false],
    ],
  ] satisfies [string, object, boolean[]][])("%s", (_name, rest, expected) => {
    const { json, binary } = answer(rest);
    const { outputs } = json as { outputs: Record<string, unknown>[] };
    expect(outputs.map((output) => !("data" in output))).toEqual(expected);
    const blobs = OUTPUTS.filter((_, index) => expected[index]).map(rawBytesOf);
    expect(binary?.equals(Buffer.concat(blobs))).toBe(true);
  });

  test("JSON has no NaN, and the message tells of the form that has", () => {
    expect(() => answer({})).toThrow('output "y": expected finite numbers, got NaN or Infinity');
    expect(() => answer({})).toThrow("binary_data_output");
  });

  test("large ones are not copied", () => {
    const large: Tensor = { name: "y", datatype: "FP32", shape: [9_000, 3], data: new Float32Array(27_000) };
    const { writeAnswer } = prepare({ json: { inputs, outputs: [y({ binary_data: true })] }, header: null });
    const { body } = writeAnswer({ servable: servable(SIGNATURE), outputs: [large] });
    expect((body as readonly Uint8Array[])[1]?.buffer).toBe(large.data.buffer);
  });

  test.each([
    [{ parameters: { binary_data_output: 1 } }, "binary_data_output: expected true or false, got a number"],
    [{ outputs: [y({ binary_data: "yes" })] }, "binary_data: expected true or false, got a string"],
    [{ outputs: [y({ classification: -1 })] }, "classification: expected a number of classes"],
    [{ outputs: [y({ classification: "2" })] }, "classification: expected a number of classes"],
    [{ outputs: [z({ classification: 2 })] }, "classification: expected an output of numbers, got one of BYTES"],
    [{ outputs: [y({ shared_memory_region: "r" })] }, "expected data in the request, got a region of shared memory"],
  ])("%j is refused before the model runs", (rest, message) => {
    expect(() => prepare({ json: { inputs, ...rest }, header: null })).toThrow(
      expect.objectContaining({ code: "InvalidArgument", message: expect.stringContaining(message) as string }),
    );
  });

  test("classes, in JSON and in binary", () => {
    const expected = { name: "y", shape: [2, 2], datatype: "BYTES" };
    const only = OUTPUTS.slice(0, 1);
    const { json } = answer({ outputs: [y({ classification: 2 })] }, only);
    expect(json).toMatchObject({ outputs: [{ ...expected, data: ["2:2", "0.5:0", "9:0", "9:1"] }] });
    const { binary } = answer({ outputs: [y({ classification: 1, binary_data: true })] }, only);
    expect(binary?.toString("latin1")).toBe("\x03\0\0\x002:2\x03\0\0\x009:0");
  });
});

test("metrics tell the forms apart", () => {
  const nameOf = (header: string | undefined) => V2_DIALECT.nameOf?.({ header: () => header });
  expect([nameOf(undefined), nameOf("12"), nameOf("0")]).toEqual(["v2", "v2-binary", "v2-binary"]);
});
