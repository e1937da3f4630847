import * as z from "zod";
import type { Serving } from "../../common/admin-api.ts";

/**
 * The durable record of what an InferenceService serves. It changes only by compare-and-swap; the write that raises
 * `epoch` is the moment at which a switch has happened.
 */
const epochRecord = z.object({
  /** Raised with each switch; 0 before the first version is served. */
  epoch: z.int().min(0),
  /** Raised by each operator that takes the record over, and by one that does not know what became of its own write. */
  term: z.int().min(1),
  /** The operator that may write it. */
  holder: z.string(),
  /** Which place the versions are numbers of: a hash of what the spec says of the storage. */
  source: z.string(),
  /** Absent before the first version is served. */
  serving: z
    .object({
      version: z.int().min(0),
      digest: z.string().optional(),
      labels: z.record(z.string(), z.int().min(0)),
    })
    .optional(),
  /** The version that was served before, if it came from the same source. */
  previousVersion: z.int().min(0).optional(),
});
/** What an InferenceService serves, and who may change it. */
export type EpochRecord = z.infer<typeof epochRecord>;

/** Reads a record. Throws if it is none. */
export function parseEpochRecord(text: string): EpochRecord {
  return epochRecord.parse(JSON.parse(text));
}

/**
 * The record after `holder` has taken it over: what an earlier holder still tries to write is refused from then on. Where
 * there is none, one that is above all that replicas have heard: somebody may have deleted it.
 */
export function claimedRecord(
  record: EpochRecord | undefined,
  holder: string,
  source: string,
  heard: { readonly epoch: number; readonly term: number },
): EpochRecord {
  if (record !== undefined) return { ...record, term: Math.max(record.term, heard.term) + 1, holder };
  return { epoch: heard.epoch, term: heard.term + 1, holder, source };
}

/** The record of the next epoch. */
export function nextEpoch(record: EpochRecord, source: string, serving: Serving): EpochRecord {
  const before = record.source === source ? record.serving?.version : undefined;
  const previousVersion = before === serving.version ? record.previousVersion : before;
  const { epoch, term, holder } = record;
  return {
    epoch: epoch + 1,
    term,
    holder,
    source,
    serving,
    ...(previousVersion !== undefined && { previousVersion }),
  };
}

/** Whether two epochs would serve the same: then there is nothing to switch. A digest that is not known fits any. */
export function isSameServing(a: Serving, b: Serving): boolean {
  const [labelsA, labelsB] = [Object.entries(a.labels), Object.entries(b.labels)];
  return (
    a.version === b.version &&
    (a.digest === undefined || b.digest === undefined || a.digest === b.digest) &&
    labelsA.length === labelsB.length &&
    labelsA.every(([label, version]) => b.labels[label] === version)
  );
}
