import type { Datatype, Tensor } from "../../../../runtime/core/tensor.ts";

/** Six elements of each datatype, as JSON texts, with the extremes that it can hold. */
export const SAMPLE_ELEMENTS: Readonly<Record<Datatype, readonly string[]>> = {
  BOOL: ["true", "false", "false", "true", "true", "false"],
  UINT8: ["0", "1", "127", "128", "254", "255"],
  UINT16: ["0", "1", "32767", "32768", "65534", "65535"],
  UINT32: ["0", "1", "2147483647", "2147483648", "4294967294", "4294967295"],
  UINT64: ["0", "1", "9007199254740993", "9223372036854775808", "18446744073709551614", "18446744073709551615"],
  INT8: ["-128", "-1", "0", "1", "126", "127"],
  INT16: ["-32768", "-1", "0", "1", "32766", "32767"],
  INT32: ["-2147483648", "-1", "0", "1", "2147483646", "2147483647"],
  INT64: ["-9223372036854775808", "-9007199254740993", "0", "1", "9007199254740993", "9223372036854775807"],
  FP16: ["-65504", "-0", "0.1", "0.3333", "6e-8", "65504"],
  FP32: ["-3.4028235e+38", "-0", "0.1", "16777216", "1e-45", "3.4028235e+38"],
  FP64: ["-1.7976931348623157e+308", "-0", "0.1", "9007199254740992", "5e-324", "0.30000000000000004"],
  BYTES: ['""', '"a"', '"grüße"', '"😀\\n\\"\\\\"', '"\\u0000"', '"__proto__"'],
};

/** The same elements as tensors hold them. */
export const SAMPLE_DATA: { readonly [D in Datatype]: Extract<Tensor, { datatype: D }>["data"] } = {
  BOOL: Uint8Array.of(1, 0, 0, 1, 1, 0),
  UINT8: Uint8Array.of(0, 1, 127, 128, 254, 255),
  UINT16: Uint16Array.of(0, 1, 32_767, 32_768, 65_534, 65_535),
  UINT32: Uint32Array.of(0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1),
  UINT64: BigUint64Array.of(0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 2n, 2n ** 64n - 1n),
  INT8: Int8Array.of(-128, -1, 0, 1, 126, 127),
  INT16: Int16Array.of(-32_768, -1, 0, 1, 32_766, 32_767),
  INT32: Int32Array.of(-(2 ** 31), -1, 0, 1, 2 ** 31 - 2, 2 ** 31 - 1),
  INT64: BigInt64Array.of(-(2n ** 63n), -(2n ** 53n) - 1n, 0n, 1n, 2n ** 53n + 1n, 2n ** 63n - 1n),
  FP16: Uint16Array.of(0xfbff, 0x8000, 0x2e66, 0x3555, 0x0001, 0x7bff),
  FP32: Float32Array.of(-(2 - 2 ** -23) * 2 ** 127, -0, 0.1, 2 ** 24, 2 ** -149, (2 - 2 ** -23) * 2 ** 127),
  FP64: Float64Array.of(-Number.MAX_VALUE, -0, 0.1, 2 ** 53, Number.MIN_VALUE, 0.1 + 0.2),
  BYTES: ["", "a", "grüße", '😀\n"\\', "\0", "__proto__"],
};
