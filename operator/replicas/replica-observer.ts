import { Agent, request } from "undici";
import { parseReplicaReport, STATE_PATH, type ReplicaState } from "../../common/admin-api.ts";
import { ADMIN_PORT } from "../../common/ports.ts";
import type { ObservedReplica, PodObject } from "../observed/observation.ts";
import { isReady, runtimeStatus } from "../observed/replica-failure.ts";

/** Asks replicas how they are. */
export interface ReplicaObserver {
  /**
   * Each pod with what its replica says; a replica that does not answer has no state. Takes a few seconds at most, however
   * many do not answer. Never throws but for `signal`.
   */
  observe(pods: readonly PodObject[], signal: AbortSignal): Promise<ObservedReplica[]>;
  /** Drops what is remembered of pods that are gone. */
  forget(podUid: string): void;
  close(): Promise<void>;
}

/** Replicas are asked so many at a time, however many there are. */
const CONCURRENCY = 64;
/** What they have not said by then they are asked the next time. */
const BUDGET_MS = 4_000;
/** A state is small: 64 models with their failures. */
const MAX_BODY_BYTES = 1024 * 1024;

/** An observer that asks over HTTP. A replica that is ready serves what it said then until it restarts: it is asked once. */
export function createReplicaObserver(
  options: { readonly timeoutMs?: number; readonly budgetMs?: number; readonly port?: number } = {},
): ReplicaObserver {
  const { timeoutMs = 1_500, budgetMs = BUDGET_MS, port = ADMIN_PORT } = options;
  const agent = new Agent({
    connect: { timeout: timeoutMs },
    maxResponseSize: MAX_BODY_BYTES,
    keepAliveTimeout: 10_000,
  });
  const settled = new Map<string, { readonly restartCount: number; readonly state: ReplicaState }>();

  async function ask(pod: PodObject, signal: AbortSignal): Promise<ReplicaState | undefined> {
    const { podIP } = pod.status ?? {};
    const container = runtimeStatus(pod);
    const uid = pod.metadata.uid ?? "";
    if (podIP === undefined || container?.state?.running === undefined) return undefined;
    const known = settled.get(uid);
    if (known !== undefined && known.restartCount === container.restartCount && isReady(pod)) return known.state;
    settled.delete(uid);
    const state = await fetchState(`http://${podIP.includes(":") ? `[${podIP}]` : podIP}:${port}${STATE_PATH}`, signal);
    if (state?.phase === "Ready" && isReady(pod)) settled.set(uid, { restartCount: container.restartCount, state });
    return state;
  }

  async function fetchState(url: string, signal: AbortSignal): Promise<ReplicaState | undefined> {
    if (signal.aborted) return undefined;
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const { statusCode, body } = await request(url, { dispatcher: agent, signal: deadline });
      if (statusCode === 200) return parseReplicaReport(await body.json()).state;
      await body.dump();
    } catch {
      // A replica that starts, stops or is cut off: its pod's own status says more than this error could.
    }
    return undefined;
  }

  return {
    async observe(pods, signal) {
      const observed: ObservedReplica[] = [];
      const budget = AbortSignal.any([signal, AbortSignal.timeout(budgetMs)]);
      // First those on their way: it is they who have something to tell.
      const order = [...pods.keys()].sort((a, b) => readiness(pods[a]) - readiness(pods[b]));
      let next = 0;
      async function work(): Promise<void> {
        for (let index = order[next++]; index !== undefined; index = order[next++]) {
          const pod = pods[index];
          if (pod !== undefined) observed[index] = { pod, state: await ask(pod, budget) };
        }
      }
      await Promise.all(Array.from({ length: Math.min(CONCURRENCY, pods.length) }, work));
      signal.throwIfAborted();
      return observed;
    },
    forget(podUid) {
      settled.delete(podUid);
    },
    close: () => agent.close(),
  };
}

function readiness(pod: PodObject | undefined): number {
  return pod !== undefined && isReady(pod) ? 1 : 0;
}
