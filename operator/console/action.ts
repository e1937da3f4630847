import * as z from "zod";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { rollbackPatch } from "../../common/rollback-patch.ts";
import { RELEARN_ANNOTATION } from "../api/names.ts";

const count = z.int().min(0).max(10_000);

const action = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("pin"), version: z.int().min(0) }),
  z.strictObject({
    action: z.literal("scale"),
    minReplicas: count,
    /** null: the same as minReplicas. */
    maxReplicas: z.int().min(1).max(10_000).nullable(),
  }),
  z.strictObject({ action: z.literal("stop") }),
  z.strictObject({ action: z.literal("start") }),
  z.strictObject({ action: z.literal("relearn") }),
]);
/** What a person can do by the console. */
export type Action = z.infer<typeof action>;

/** Reads an action; the text says what is wrong with it. */
export function parseAction(body: unknown): Action | string {
  const { data, error } = action.safeParse(body);
  return data ?? z.prettifyError(error);
}

/** The merge patch that does it; `now` tells one time from another. */
export function patchOf(isvc: InferenceService, what: Action, now: Date): object {
  switch (what.action) {
    case "pin":
      return rollbackPatch(isvc, what.version);
    case "scale":
      return { spec: { predictor: { minReplicas: what.minReplicas, maxReplicas: what.maxReplicas } } };
    case "stop":
      return { spec: { stop: true } };
    case "start":
      return { spec: { stop: false } };
    case "relearn":
      return { metadata: { annotations: { [RELEARN_ANNOTATION]: now.toISOString() } } };
    default:
      return what satisfies never;
  }
}

/** What was done, for people. */
export function doneMessage(name: string, what: Action): string {
  switch (what.action) {
    case "pin":
      return `${name} is pinned to version ${what.version}: it becomes active when all replicas have it ready.`;
    case "scale": {
      const { minReplicas, maxReplicas } = what;
      const range = maxReplicas === null || maxReplicas === minReplicas ? "" : ` to ${maxReplicas}`;
      return `${name} is asked for ${minReplicas}${range} replicas.`;
    }
    case "stop":
      return `${name} is stopped: its replicas go.`;
    case "start":
      return `${name} is started: its replicas come.`;
    case "relearn":
      return `${name} learns anew what its data is like, from the rows that come from now on.`;
    default:
      return what satisfies never;
  }
}
