/** Tensors as the runtime passes them between protocols and engines, and the closed list of their datatypes. */

/** Size in bytes of one element in the binary form; undefined where it varies. Names are the Open Inference Protocol's. */
export const DATATYPES = {
  BOOL: { sizeBytes: 1 },
  UINT8: { sizeBytes: 1 },
  UINT16: { sizeBytes: 2 },
  UINT32: { sizeBytes: 4 },
  UINT64: { sizeBytes: 8 },
  INT8: { sizeBytes: 1 },
  INT16: { sizeBytes: 2 },
  INT32: { sizeBytes: 4 },
  INT64: { sizeBytes: 8 },
  FP16: { sizeBytes: 2 },
  FP32: { sizeBytes: 4 },
  FP64: { sizeBytes: 8 },
  BYTES: { sizeBytes: undefined },
} as const satisfies Record<string, { readonly sizeBytes: number | undefined }>;

export type Datatype = keyof typeof DATATYPES;

/** The elements of each datatype: BOOL as bytes 0 and 1, FP16 as the bits of IEEE 754 binary16, BYTES as strings. */
export interface DataOf {
  BOOL: Uint8Array<ArrayBuffer>;
  UINT8: Uint8Array<ArrayBuffer>;
  UINT16: Uint16Array<ArrayBuffer>;
  UINT32: Uint32Array<ArrayBuffer>;
  UINT64: BigUint64Array<ArrayBuffer>;
  INT8: Int8Array<ArrayBuffer>;
  INT16: Int16Array<ArrayBuffer>;
  INT32: Int32Array<ArrayBuffer>;
  INT64: BigInt64Array<ArrayBuffer>;
  FP16: Uint16Array<ArrayBuffer>;
  FP32: Float32Array<ArrayBuffer>;
  FP64: Float64Array<ArrayBuffer>;
  BYTES: string[];
}
export type TensorData = DataOf[Datatype];

/** The array of each datatype but BYTES, whose elements are strings. */
export const ARRAYS = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP16: Uint16Array,
  FP32: Float32Array,
  FP64: Float64Array,
} as const satisfies { readonly [D in Exclude<Datatype, "BYTES">]: new (length: number) => DataOf[D] };

/** A named array of elements in row-major order; `data` has as many as the product of `shape`. */
export type Tensor = {
  readonly [D in Datatype]: {
    readonly name: string;
    readonly datatype: D;
    readonly shape: readonly number[];
    readonly data: DataOf[D];
  };
}[Datatype];

/** What a model says of one input or output; -1 is a dimension that each request chooses. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/** The inputs and outputs of a model, in the model's own order. */
export interface Signature {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
}
