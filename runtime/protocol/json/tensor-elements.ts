import type { DataOf, Datatype, TensorData } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import { BINARY16, BINARY32, toDouble, toNarrow } from "./decimal-to-float.ts";
import { toExactInteger, toSafeInteger } from "./decimal-to-integer.ts";
import type { JsonScanner } from "./json-scanner.ts";
import { passSimpleFloats, passSimpleIntegers, type IntegerArray } from "./simple-numbers.ts";

/** Where the elements of a tensor go while they are read. */
export interface ElementSink {
  /** The tensor, for messages. */
  readonly what: string;
  readonly datatype: Datatype;
  data: TensorData;
  /** Elements read. */
  count: number;
  /** Elements that `data` can take; when it is full, the others are only counted unless it may grow. */
  room: number;
  readonly mayGrow: boolean;
}

/** Reads elements with commas between them up to the closing bracket; or only one, if they are not in an array. */
export type ElementReader = (scanner: JsonScanner, sink: ElementSink, isArray: boolean) => void;

const FIRST_ROOM = 16;
/** Characters of the least INT64, which are as many as those of the greatest UINT64. */
const LONGEST_INTEGER = 20;

const ALLOCATORS: { readonly [D in Datatype]: (length: number) => DataOf[D] } = {
  BOOL: (length) => new Uint8Array(length),
  UINT8: (length) => new Uint8Array(length),
  UINT16: (length) => new Uint16Array(length),
  UINT32: (length) => new Uint32Array(length),
  UINT64: (length) => new BigUint64Array(length),
  INT8: (length) => new Int8Array(length),
  INT16: (length) => new Int16Array(length),
  INT32: (length) => new Int32Array(length),
  INT64: (length) => new BigInt64Array(length),
  FP16: (length) => new Uint16Array(length),
  FP32: (length) => new Float32Array(length),
  FP64: (length) => new Float64Array(length),
  BYTES: () => [],
};

/** Makes a sink with room for `room` elements; without it, one that grows. */
export function createSink(what: string, datatype: Datatype, room: number | undefined): ElementSink {
  const first = room ?? FIRST_ROOM;
  return {
    what,
    datatype,
    data: ALLOCATORS[datatype](first),
    count: 0,
    room: first,
    mayGrow: room === undefined,
  };
}

/** Whether the next element is to be kept; makes room for it where that is allowed. */
export function hasRoom(sink: ElementSink): boolean {
  if (sink.count < sink.room) return true;
  if (!sink.mayGrow) return false;
  sink.room *= 2;
  const { data } = sink;
  if (!Array.isArray(data)) {
    const grown = ALLOCATORS[sink.datatype](sink.room);
    // Both are of the same type, which the compiler cannot know.
    (grown as Uint8Array).set(data as Uint8Array);
    sink.data = grown;
  }
  return true;
}

function mismatch(scanner: JsonScanner, sink: ElementSink, expected: string): ServingError {
  return scanner.mismatch(`${sink.what}: element ${sink.count}`, expected);
}

function outOfRange(sink: ElementSink, got: string): ServingError {
  return new ServingError(
    "InvalidArgument",
    `${sink.what}: element ${sink.count}: expected a number that ${sink.datatype} can hold, got ${got}`,
  );
}

const BEYOND_RANGE = "one beyond its range";

/** Reads one element, of any notation, and counts it. */
type ReadElement = (scanner: JsonScanner, sink: ElementSink) => void;
/** Reads elements of the usual notation and counts them; may leave any of them, and leaves the last. */
type PassElements = (scanner: JsonScanner, sink: ElementSink) => void;

function readerOf(readElement: ReadElement, passElements?: PassElements): ElementReader {
  return (scanner, sink, isArray) => {
    if (!isArray) {
      readElement(scanner, sink);
      return;
    }
    do {
      passElements?.(scanner, sink);
      readElement(scanner, sink);
    } while (scanner.hasNextElement());
  };
}

const readBoolean: ReadElement = (scanner, sink) => {
  const byte = scanner.peek();
  if (byte !== 0x74 && byte !== 0x66) throw mismatch(scanner, sink, "true or false");
  const value = scanner.readBoolean(sink.what);
  if (hasRoom(sink)) (sink.data as Uint8Array)[sink.count] = value ? 1 : 0;
  sink.count++;
};

const readString: ReadElement = (scanner, sink) => {
  if (scanner.peek() !== 0x22) throw mismatch(scanner, sink, "a string");
  const value = scanner.readElementString(sink.what);
  if (!value.isWellFormed()) {
    throw new ServingError(
      "InvalidArgument",
      `${sink.what}: element ${sink.count}: expected a string that UTF-8 can hold, got half of a surrogate pair`,
    );
  }
  if (hasRoom(sink)) (sink.data as string[])[sink.count] = value;
  sink.count++;
};

/** The number read last, as an integer. Throws ServingError if it is none. */
function exactInteger(scanner: JsonScanner, sink: ElementSink): bigint {
  const { isPlainInteger, start, end } = scanner.number;
  // The usual case, for which the language has a quick way.
  if (isPlainInteger && end - start <= LONGEST_INTEGER) return BigInt(scanner.numberText());
  const integer = toExactInteger(scanner.numberText());
  if (typeof integer === "bigint") return integer;
  throw outOfRange(sink, integer === "fraction" ? "a fraction" : BEYOND_RANGE);
}

/** Integers of up to 32 bits. */
function integerReader(least: number, greatest: number): ElementReader {
  return readerOf(
    (scanner, sink) => {
      if (!scanner.passNumber()) throw mismatch(scanner, sink, "an integer");
      const safe = toSafeInteger(scanner.number);
      const value = Number.isNaN(safe) ? Number(exactInteger(scanner, sink)) : safe;
      if (value < least || value > greatest) throw outOfRange(sink, BEYOND_RANGE);
      if (hasRoom(sink)) (sink.data as Int32Array)[sink.count] = value;
      sink.count++;
    },
    (scanner, sink) => {
      const target = { data: sink.data as IntegerArray, least, greatest };
      scanner.position = passSimpleIntegers(scanner.bytes, scanner.position, sink, target);
    },
  );
}

/** Integers of 64 bits. */
function bigIntegerReader(least: bigint, greatest: bigint): ElementReader {
  return readerOf(
    (scanner, sink) => {
      if (!scanner.passNumber()) throw mismatch(scanner, sink, "an integer");
      const safe = toSafeInteger(scanner.number);
      const value = Number.isNaN(safe) ? exactInteger(scanner, sink) : BigInt(safe);
      if (value < least || value > greatest) throw outOfRange(sink, BEYOND_RANGE);
      if (hasRoom(sink)) (sink.data as BigInt64Array)[sink.count] = value;
      sink.count++;
    },
    (scanner, sink) => {
      const target = { data: sink.data as IntegerArray, least: Number(least), greatest: Number(greatest) };
      scanner.position = passSimpleIntegers(scanner.bytes, scanner.position, sink, target);
    },
  );
}

/** Floats; `store` puts the value into the data. */
function floatReader(
  convert: (scanner: JsonScanner) => number,
  store: (sink: ElementSink, value: number) => void,
  passElements?: PassElements,
): ElementReader {
  return readerOf((scanner, sink) => {
    if (!scanner.passNumber()) throw mismatch(scanner, sink, "a number");
    const value = convert(scanner);
    if (!Number.isFinite(value)) throw outOfRange(sink, BEYOND_RANGE);
    if (hasRoom(sink)) store(sink, value);
    sink.count++;
  }, passElements);
}

const storeFloat = (sink: ElementSink, value: number): void => {
  (sink.data as Float64Array)[sink.count] = value;
};

const passFloats: PassElements = (scanner, sink) => {
  const data = sink.data as Float32Array | Float64Array;
  scanner.position = passSimpleFloats(scanner.bytes, scanner.position, sink, data, scanner.floats);
};

const halfValue = new Float16Array(1);
const halfBits = new Uint16Array(halfValue.buffer);
const storeHalf = (sink: ElementSink, value: number): void => {
  halfValue[0] = value;
  (sink.data as Uint16Array)[sink.count] = halfBits[0] as number;
};

/** How the elements of each datatype are read. */
export const ELEMENT_READERS: { readonly [D in Datatype]: ElementReader } = {
  BOOL: readerOf(readBoolean),
  UINT8: integerReader(0, 2 ** 8 - 1),
  UINT16: integerReader(0, 2 ** 16 - 1),
  UINT32: integerReader(0, 2 ** 32 - 1),
  UINT64: bigIntegerReader(0n, 2n ** 64n - 1n),
  INT8: integerReader(-(2 ** 7), 2 ** 7 - 1),
  INT16: integerReader(-(2 ** 15), 2 ** 15 - 1),
  INT32: integerReader(-(2 ** 31), 2 ** 31 - 1),
  INT64: bigIntegerReader(-(2n ** 63n), 2n ** 63n - 1n),
  FP16: floatReader((scanner) => toNarrow(scanner.number, BINARY16, scanner.bytes), storeHalf),
  FP32: floatReader((scanner) => toNarrow(scanner.number, BINARY32, scanner.bytes), storeFloat, passFloats),
  FP64: floatReader((scanner) => toDouble(scanner.number, () => scanner.numberText()), storeFloat, passFloats),
  BYTES: readerOf(readString),
};
