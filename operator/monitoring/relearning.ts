import type { ReplicaDrift } from "../../common/monitoring-api.ts";

/** What is learned anew has another word than what was learned before; the first learning has none. */

/** A replica that has not begun to learn anew. */
export const UNLEARNED: ReplicaDrift = { state: "Learning", rows: 0, features: [] };

/** The learning that a reference, or what will be one, belongs to. */
export function learningOf({ relearn = "" }: { readonly relearn?: string | undefined }): string {
  return relearn;
}

/** Whether it belongs to another learning than the one that was asked for, if one was; published profiles belong to none. */
export function isOutdated(drift: ReplicaDrift, asked: string | undefined): boolean {
  if (asked === undefined || drift.state === "Off") return false;
  return (drift.state === "Learning" || drift.source === "Learned") && learningOf(drift) !== asked;
}
