import type { Tensor, TensorSpec } from "../../core/tensor.ts";
import { ServingError } from "../../errors.ts";
import type { JsonScanner } from "../json/json-scanner.ts";
import { scanNested } from "../json/tensor-data.ts";
import { createSink, type ElementSink } from "../json/tensor-elements.ts";
import { describeShape, quoteName } from "../wording.ts";
import { appendElement, type ElementReaders } from "./lenient-elements.ts";

const LONE: readonly number[] = [];

/** Collects an input of which each row comes by itself: rows lie one behind the other in one array. */
export class TensorRows {
  readonly spec: TensorSpec;
  readonly #readers: ElementReaders;
  readonly #sink: ElementSink;
  #rowShape: readonly number[] | undefined;
  #count = 0;

  constructor(spec: TensorSpec, readers: ElementReaders) {
    this.spec = spec;
    this.#readers = readers;
    this.#sink = createSink(`input ${quoteName(spec.name)}`, spec.datatype, undefined);
  }

  /** Rows so far. */
  get count(): number {
    return this.#count;
  }

  /** Reads one more row. Throws ServingError if it is not of the first one's shape. */
  append(scanner: JsonScanner): void {
    this.#add(scanNested(scanner, this.#sink, this.#readers[this.spec.datatype]));
  }

  /** Adds a row of one element that is not read from JSON. */
  appendElement(value: string | number): void {
    appendElement(this.#sink, value);
    this.#add(LONE);
  }

  #add(shape: readonly number[]): void {
    this.#rowShape ??= shape;
    if (!isSame(this.#rowShape, shape)) {
      throw new ServingError(
        "InvalidArgument",
        `${this.#sink.what}: row ${this.#count}: expected shape ${describeShape(this.#rowShape)} like the rows before, got ${describeShape(shape)}`,
      );
    }
    this.#count++;
  }

  /** All rows as one tensor. */
  finish(): Tensor {
    return tensorOf(this.spec, this.#sink, [this.#count, ...(this.#rowShape ?? [])]);
  }
}

/** Reads an input that comes as a whole, as nested arrays. Throws ServingError. */
export function readTensor(scanner: JsonScanner, what: string, spec: TensorSpec, readers: ElementReaders): Tensor {
  const sink = createSink(what, spec.datatype, undefined);
  const shape = scanNested(scanner, sink, readers[spec.datatype]);
  return tensorOf(spec, sink, shape);
}

function tensorOf({ name, datatype, shape: spec }: TensorSpec, sink: ElementSink, shape: readonly number[]): Tensor {
  const { data, count } = sink;
  const kept = data.length > count ? data.slice(0, count) : data;
  // The reader for a datatype makes the data of that datatype.
  return { name, datatype, shape: withTrailingOnes(shape, spec), data: kept } as Tensor;
}

/** A row of one element may leave out the brackets around it: [3] is [3,1] where the model wants that. */
function withTrailingOnes(shape: readonly number[], spec: readonly number[]): readonly number[] {
  const missing = spec.slice(shape.length);
  return missing.length > 0 && missing.every((length) => length === 1) ? [...shape, ...missing] : shape;
}

function isSame(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((length, axis) => length === right[axis]);
}
