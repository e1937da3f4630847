import * as z from "zod";

/** Longer texts are cut. */
const MAX_CATEGORY_CHARS = 64;
/** Of a longer text, the rest does not tell it from others: a text may be as long as a request. */
const MAX_HASHED_CHARS = 4_096;
/** Different values that are counted by name. */
const MAX_VALUES = 256;

const tally = z.int().min(0);
const form = z
  .object({
    kind: z.literal("categorical"),
    /** By name: in the order of code units. */
    values: z.array(z.string().max(MAX_CATEGORY_CHARS)).max(MAX_VALUES),
    counts: z.array(tally).max(MAX_VALUES),
    /** Of all values, those without a name included. */
    total: tally,
    missing: tally,
    /** Where there are too many different values: the greatest hash of those that have a name. */
    limit: z
      .int()
      .min(-1)
      .max(2 ** 32)
      .optional(),
  })
  .refine(({ values, counts }) => values.length === counts.length, "expected as many counts as values");
export const categoricalSketchForm = form;
export type CategoricalSketchForm = z.infer<typeof form>;

/**
 * Words of one feature with their counts. Of too many different ones those are kept whose hashes are the least: such a value
 * was never among those left out before, so that its count is exact, in any order and however sketches are merged.
 */
export class CategoricalSketch {
  readonly kind = "categorical";
  #counts = new Map<string, number>();
  #total = 0;
  #missing = 0;
  /** The greatest hash that is kept, once values were left out. */
  #limit = Number.POSITIVE_INFINITY;

  /** Reads what {@link toJSON} wrote; the form has been checked. */
  static of(json: CategoricalSketchForm): CategoricalSketch {
    const sketch = new CategoricalSketch();
    json.values.forEach((value, at) => sketch.#counts.set(value, json.counts[at] ?? 0));
    sketch.#total = json.total;
    sketch.#missing = json.missing;
    sketch.#limit = json.limit ?? sketch.#limit;
    return sketch;
  }

  /** `value` as {@link categoryOf} makes it. */
  add(value: string): void {
    this.#total += 1;
    this.#count(value, 1);
    this.#cut();
  }

  addMissing(): void {
    this.#missing += 1;
  }

  /** Adds all values of another one. */
  merge(other: CategoricalSketch): void {
    this.#total += other.#total;
    this.#missing += other.#missing;
    for (const [value, count] of other.#counts) this.#counts.set(value, (this.#counts.get(value) ?? 0) + count);
    const limit = Math.min(this.#limit, other.#limit);
    for (const value of this.#counts.keys()) if (hashOf(value) > limit) this.#counts.delete(value);
    this.#limit = limit;
    this.#cut();
  }

  toJSON(): CategoricalSketchForm {
    const sorted = [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
    return {
      kind: "categorical",
      values: sorted.map(([value]) => value),
      counts: sorted.map(([, count]) => count),
      total: this.#total,
      missing: this.#missing,
      ...(this.#limit === Number.POSITIVE_INFINITY ? {} : { limit: this.#limit }),
    };
  }

  #count(value: string, count: number): void {
    const before = this.#counts.get(value);
    if (before !== undefined) this.#counts.set(value, before + count);
    else if (this.#limit === Number.POSITIVE_INFINITY || hashOf(value) <= this.#limit) this.#counts.set(value, count);
  }

  #cut(): void {
    if (this.#counts.size <= MAX_VALUES) return;
    const hashes = [...this.#counts.keys()].map((value) => [hashOf(value), value] as const).sort(([a], [b]) => a - b);
    // Values of one hash stay or go together: which of them came first must not matter.
    const firstLeftOut = hashes[MAX_VALUES]?.[0] ?? 0;
    for (const [hash, value] of hashes) if (hash >= firstLeftOut) this.#counts.delete(value);
    this.#limit = firstLeftOut - 1;
  }
}

/** FNV-1a of code units, mixed so that near words are far apart. */
function hashOf(value: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < value.length; at++) hash = Math.imul(hash ^ value.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The name that a text has as a category: long ones are cut, and told apart by a hash. */
export function categoryOf(text: string): string {
  if (text.length <= MAX_CATEGORY_CHARS) return text;
  const hash = hashOf(text.slice(0, MAX_HASHED_CHARS)).toString(16).padStart(8, "0");
  return `${text.slice(0, MAX_CATEGORY_CHARS - hash.length - 1)}~${hash}`;
}
