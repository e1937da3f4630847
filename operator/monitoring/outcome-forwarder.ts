import type { Outcome } from "../../common/monitoring-api.ts";
import type { ReplicaClient } from "../replicas/replica-client.ts";
import { inParallel } from "./in-parallel.ts";

/** An outcome, and where it came to. */
export interface Stray {
  readonly podUid: string;
  readonly outcomes: readonly Outcome[];
}

/** A replica, and where its admin port is. */
export interface OutcomeTarget {
  readonly podUid: string;
  readonly origin: string;
}

/** Replicas take 64 KiB at a time; this leaves room for what is around. */
const MAX_BODY_BYTES = 60_000;
/** As many as replicas take at a time. */
const MAX_OUTCOMES = 1_000;
/** So many replicas are brought something at a time. */
const AT_A_TIME = 8;

/**
 * Brings outcomes whose predictions the replica that heard of them does not know to all others of the InferenceService, once:
 * what a replica does not take, or does not know either, is lost.
 */
export async function forwardOutcomes(
  options: {
    readonly model: string;
    readonly strays: readonly Stray[];
    readonly targets: readonly OutcomeTarget[];
    readonly client: Pick<ReplicaClient, "bringOutcomes">;
  },
  signal: AbortSignal,
): Promise<void> {
  const { model, strays, targets, client } = options;
  if (strays.length === 0 || targets.length < 2) return;
  await inParallel(targets, AT_A_TIME, async ({ podUid, origin }) => {
    const others = strays.filter((stray) => stray.podUid !== podUid).flatMap(({ outcomes }) => outcomes);
    for (const outcomes of batchesOf(others)) {
      // One that does not answer is not kept busy with the rest.
      if (!(await client.bringOutcomes(origin, { model, outcomes }, signal))) return;
    }
  });
}

/** Parts that each fit into one message. */
export function batchesOf(outcomes: readonly Outcome[]): Outcome[][] {
  const batches: Outcome[][] = [];
  let room = 0;
  for (const outcome of outcomes) {
    const sizeBytes = Buffer.byteLength(JSON.stringify(outcome)) + 1;
    const last = batches.at(-1);
    if (last === undefined || sizeBytes > room || last.length >= MAX_OUTCOMES) {
      batches.push([outcome]);
      room = MAX_BODY_BYTES - sizeBytes;
    } else {
      last.push(outcome);
      room -= sizeBytes;
    }
  }
  return batches;
}
