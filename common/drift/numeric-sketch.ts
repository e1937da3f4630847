import * as z from "zod";

/** Different values that a sketch tells apart. Beyond it, neighbours are counted together. */
const MAX_VALUES = 512;
const BITS = 64;

const tally = z.int().min(0);
const form = z
  .object({
    kind: z.literal("numeric"),
    isInteger: z.boolean(),
    droppedBits: z
      .int()
      .min(0)
      .max(BITS - 1),
    /** Ascending. */
    values: z.array(z.number()).max(MAX_VALUES),
    counts: z.array(tally).max(MAX_VALUES),
    missing: tally,
    /** Absent where no value has come. */
    min: z.number().optional(),
    max: z.number().optional(),
  })
  .refine(({ values, counts }) => values.length === counts.length, "expected as many counts as values")
  .refine(
    ({ values }) => values.every((value, at) => at === 0 || value > (values[at - 1] ?? 0)),
    "expected ascending values",
  )
  .refine(
    ({ values, min, max }) => values.length > 0 === (min !== undefined && max !== undefined),
    "expected min and max",
  );
export const numericSketchForm = form;
export type NumericSketchForm = z.infer<typeof form>;

/**
 * Numbers of one feature, counted by value while few different ones come, and by ranges of values afterwards: the low bits
 * of their binary form are dropped, as few as will do, so that ranges are narrow where values are small. How many are
 * dropped depends on the set of values alone and never on their order, so that the merge of sketches is exactly the
 * sketch of all their values.
 */
export class NumericSketch {
  readonly kind = "numeric";
  /** Whether the feature's datatype is one of integers. */
  readonly isInteger: boolean;
  #droppedBits = 0;
  #counts = new Map<number, number>();
  #missing = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  constructor(isInteger: boolean) {
    this.isInteger = isInteger;
  }

  /** Reads what {@link toJSON} wrote; the form has been checked. */
  static of(json: NumericSketchForm): NumericSketch {
    const sketch = new NumericSketch(json.isInteger);
    sketch.#droppedBits = json.droppedBits;
    json.values.forEach((value, at) => sketch.#count(value, json.counts[at] ?? 0));
    sketch.#missing = json.missing;
    sketch.#min = json.min ?? sketch.#min;
    sketch.#max = json.max ?? sketch.#max;
    sketch.#shrink();
    return sketch;
  }

  /** Numbers that are not finite count as missing. */
  add(value: number): void {
    if (!Number.isFinite(value)) {
      this.#missing += 1;
      return;
    }
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
    this.#count(value, 1);
    if (this.#counts.size > MAX_VALUES) this.#shrink();
  }

  addMissing(): void {
    this.#missing += 1;
  }

  /** Adds all values of another one. */
  merge(other: NumericSketch): void {
    if (other.#droppedBits > this.#droppedBits) this.#drop(other.#droppedBits);
    for (const [value, count] of other.#counts) this.#count(value, count);
    this.#missing += other.#missing;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
    this.#shrink();
  }

  toJSON(): NumericSketchForm {
    const sorted = [...this.#counts].sort(([a], [b]) => a - b);
    return {
      kind: "numeric",
      isInteger: this.isInteger,
      droppedBits: this.#droppedBits,
      values: sorted.map(([value]) => value),
      counts: sorted.map(([, count]) => count),
      missing: this.#missing,
      ...(sorted.length === 0 ? {} : { min: this.#min + 0, max: this.#max + 0 }),
    };
  }

  #count(value: number, count: number): void {
    const key = withoutLowBits(value, this.#droppedBits);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
  }

  #shrink(): void {
    while (this.#counts.size > MAX_VALUES) this.#drop(this.#droppedBits + 1);
  }

  #drop(bits: number): void {
    const before = this.#counts;
    this.#droppedBits = bits;
    this.#counts = new Map();
    for (const [value, count] of before) this.#count(value, count);
  }
}

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
const [LOW, HIGH] = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? [0, 1] : [1, 0];

/** A number whose binary form ends in `bits` zeros, towards 0; there is one zero. */
function withoutLowBits(value: number, bits: number): number {
  if (bits === 0) return value + 0;
  double[0] = value;
  if (bits >= 32) {
    words[LOW] = 0;
    words[HIGH] = ((words[HIGH] ?? 0) >>> (bits - 32)) << (bits - 32);
  } else {
    words[LOW] = ((words[LOW] ?? 0) >>> bits) << bits;
  }
  return (double[0] ?? 0) + 0;
}
