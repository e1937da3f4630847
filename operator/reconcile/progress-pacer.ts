import { canonicalJson } from "../../common/canonical-json.ts";
import type { InferenceServiceStatus } from "../../common/inferenceservice.gen.ts";

/** Progress alone is no reason to write a status more often than this. A little less than the time between two polls. */
const INTERVAL_MS = 1_900;

/**
 * Keeps a download from filling the API server with statuses: each write of one is a change that leads to the next look at the
 * replicas, which would find more progress.
 */
export class ProgressPacer {
  /** When progress was let through last, by uid; of InferenceServices that fetch. */
  readonly #toldMs = new Map<string, number>();

  /**
   * The status to write: the one before, if nothing but progress distinguishes them and it was written just now. `nowMs` is
   * of a clock that never goes back.
   */
  pace(
    uid: string,
    before: InferenceServiceStatus | undefined,
    status: InferenceServiceStatus,
    nowMs: number,
  ): InferenceServiceStatus {
    if (status.loading === undefined) {
      this.#toldMs.delete(uid);
      return status;
    }
    const isRecent = nowMs - (this.#toldMs.get(uid) ?? -Infinity) < INTERVAL_MS;
    if (isRecent && before !== undefined && withoutProgress(before) === withoutProgress(status)) return before;
    if (before === undefined || canonicalJson(before) !== canonicalJson(status)) this.#toldMs.set(uid, nowMs);
    return status;
  }

  /** To be told of an InferenceService that is gone. */
  forget(uid: string): void {
    this.#toldMs.delete(uid);
  }
}

function withoutProgress({ loading, conditions, ...rest }: InferenceServiceStatus): string {
  const kept = conditions?.map(({ message, ...condition }) => ({
    ...condition,
    ...(condition.reason !== "FetchingModel" && { message }),
  }));
  return canonicalJson({ ...rest, version: loading?.version ?? null, conditions: kept ?? [] });
}
