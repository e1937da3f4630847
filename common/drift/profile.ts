import * as z from "zod";

/**
 * What the data of a model looks like: the reference that drift is measured against. `lockstep profile` makes it of rows;
 * published beside the model's file as {@link PROFILE_FILE} it belongs to the version. Without it, the first requests make one.
 */
export const PROFILE_FILE = "lockstep-profile.json";

const count = z.int().min(0);

/**
 * Numbers in bins: bin 0 is below `edges[0]`, bin i holds edges[i-1] <= x < edges[i], the last one is from the last edge on. So
 * there is one count more than there are edges.
 */
const numeric = z
  .object({
    kind: z.literal("numeric"),
    /** Strictly ascending. */
    edges: z.array(z.number()).min(1).max(128),
    counts: z.array(count).max(129),
    /** Values that are no number. */
    missing: count,
    /** The least and the greatest that were seen. What comes outside of them is out of range. */
    min: z.number(),
    max: z.number(),
  })
  .refine(({ edges, counts }) => counts.length === edges.length + 1, "expected one count more than there are edges")
  .refine(
    ({ edges }) => edges.every((edge, at) => at === 0 || edge > (edges[at - 1] ?? edge)),
    "expected ascending edges",
  )
  .refine(({ min, max }) => min <= max, "expected min to be no greater than max");

/** Words, and integers of few different values: the commonest ones by name, then all others in one. */
const categorical = z
  .object({
    kind: z.literal("categorical"),
    categories: z.array(z.string().max(256)).max(128),
    /** Of each category, then of all others. */
    counts: z.array(count).max(129),
    missing: count,
  })
  .refine(
    ({ categories, counts }) => counts.length === categories.length + 1,
    "expected one count more than there are categories",
  )
  .refine(({ categories }) => new Set(categories).size === categories.length, "expected each category once");

const feature = z.object({
  /** Input or output, and the column where it has several: `x[3]`; or a statistic of all its values: `image.mean`. */
  name: z.string().min(1).max(512),
  side: z.enum(["input", "output"]),
  reference: z.discriminatedUnion("kind", [numeric, categorical]),
});

const profile = z.object({
  formatVersion: z.literal(1),
  /** Rows that it was made of. */
  rows: z.int().min(1),
  features: z.array(feature).max(512),
});
export type Profile = z.infer<typeof profile>;
export type ProfileFeature = z.infer<typeof feature>;
export type FeatureReference = ProfileFeature["reference"];

/** Reads a profile. Throws if it is not one. */
export function parseProfile(value: unknown): Profile {
  return profile.parse(value);
}
