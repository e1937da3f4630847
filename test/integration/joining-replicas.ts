import type { ReplicaState } from "../../common/admin-api.ts";
import type { PodObject } from "../../operator/observed/observation.ts";
import type { Replicas } from "../../operator/replicas/replicas.ts";

/**
 * Replicas that have their versions loaded from the start, and join by the first command to serve: for tests of what comes after that.
 * `isThere` says which pods answer; default: all.
 */
export function joiningReplicas(
  models: ReplicaState["models"],
  isThere: (pod: PodObject) => boolean = () => true,
): Replicas {
  let epoch = 0;
  return {
    observe: (pods) =>
      pods.map((pod) => {
        if (!isThere(pod)) return { pod, state: undefined };
        const gate =
          epoch === 0
            ? ({ kind: "Unjoined", term: 0, held: 0 } as const)
            : ({ kind: "Serving", term: 1, epoch, held: 0 } as const);
        const state: ReplicaState = { phase: "Ready", models: models.map((model) => ({ ...model, gate })) };
        return { pod, state, lastState: state, instance: "a", silentSinceMs: undefined };
      }),
    command: (_pod, command) => {
      if (command.kind === "serve") ({ epoch } = command);
      return Promise.resolve({ kind: "done" });
    },
    rebalance: () => Promise.resolve(true),
    forget: () => {},
    close: () => Promise.resolve(),
  };
}
