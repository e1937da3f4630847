import type { DataOf, Datatype } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "./json-scanner.ts";
import { createSink, ELEMENT_READERS, type ElementReader, type ElementSink } from "./tensor-elements.ts";

/** Tensors have at most this many dimensions. */
export const MAX_RANK = 16;

const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** What the text of a tensor's elements was found to be. */
export interface ScannedData<D extends Datatype = Datatype> {
  /** The elements in row-major order, at most `capacity` of them. */
  readonly data: DataOf[D];
  /** How many elements there are. */
  readonly count: number;
  /** Lengths of the nested arrays, outermost first; [] for a lone element. */
  readonly dimensions: readonly number[];
}

/**
 * Reads the elements of a tensor straight into a typed array: a lone element, an array of them, or arrays in arrays
 * that are rectangular. With `capacity` the elements beyond it are checked and counted but not kept; without it as much
 * is kept as there is. Throws ServingError (InvalidArgument), which says what was expected of which element.
 */
export function scanTensorData<D extends Datatype>(
  scanner: JsonScanner,
  what: string,
  datatype: D,
  capacity: number | undefined,
): ScannedData<D> {
  // An element takes a byte, and all but one a comma: no shape makes the server allocate more than the body is worth.
  const most = Math.ceil((scanner.bytes.length - scanner.position) / 2) + 1;
  const sink = createSink(what, datatype, capacity === undefined ? undefined : Math.min(capacity, most));
  const dimensions = scanNested(scanner, sink, ELEMENT_READERS[datatype]);
  const { data, count } = sink;
  const kept = data.length > count ? data.slice(0, count) : data;
  return { data: kept as DataOf[D], count, dimensions };
}

/**
 * Reads a lone element, an array of them, or rectangular arrays in arrays, and appends the elements to what the sink
 * holds. Returns the lengths of the arrays: each level's first array fixes the length of the others. Throws ServingError.
 */
export function scanNested(scanner: JsonScanner, sink: ElementSink, readElements: ElementReader): number[] {
  if (scanner.peek() !== OPEN_BRACKET) {
    readElements(scanner, sink, false);
    return [];
  }
  const lengths: (number | undefined)[] = [];
  const open: number[] = [];
  for (;;) {
    // At the start of an array.
    scanner.position++;
    if (lengths.length === open.length) {
      if (open.length === MAX_RANK) {
        throw new ServingError("InvalidArgument", `${sink.what}: expected at most ${MAX_RANK} dimensions, got more`);
      }
      lengths.push(undefined);
    }
    open.push(0);
    const next = scanner.peek();
    if (next === OPEN_BRACKET) {
      if (open.length === lengths.length && lengths[open.length - 1] !== undefined) throw ragged(sink);
      continue;
    }
    // The elements are in the arrays of the innermost level, which the first one of them has shown.
    if (open.length !== lengths.length && next !== CLOSE_BRACKET) throw ragged(sink);
    const before = sink.count;
    if (next !== CLOSE_BRACKET) readElements(scanner, sink, true);
    let length = sink.count - before;
    // At the end of an array: leave it, and those that end with it.
    for (;;) {
      const depth = open.length - 1;
      if (lengths[depth] === undefined) lengths[depth] = length;
      else if (lengths[depth] !== length) throw ragged(sink);
      scanner.position++;
      open.pop();
      if (depth === 0) return lengths as number[];
      open[depth - 1] = (open[depth - 1] as number) + 1;
      if (scanner.hasNextElement()) break;
      length = open[depth - 1] as number;
    }
    if (scanner.peek() !== OPEN_BRACKET) {
      throw scanner.mismatch(sink.what, "arrays beside arrays");
    }
  }
}

function ragged(sink: ElementSink): ServingError {
  return new ServingError(
    "InvalidArgument",
    `${sink.what}: expected nested arrays of equal lengths and depths, got a ragged array at element ${sink.count}`,
  );
}
