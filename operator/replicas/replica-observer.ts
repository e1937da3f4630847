import { Agent, request } from "undici";
import { parseReplicaState, STATE_PATH, type ReplicaState } from "../../common/admin-api.ts";
import { ADMIN_PORT } from "../../common/ports.ts";
import type { ObservedReplica, PodObject } from "../observed/observation.ts";
import { isReady } from "../observed/replica-failure.ts";

/** Asks replicas how they are. */
export interface ReplicaObserver {
  /** Each pod with what its replica says; a replica that does not answer has no state. Never throws but for `signal`. */
  observe(pods: readonly PodObject[], signal: AbortSignal): Promise<ObservedReplica[]>;
  /** Drops what is remembered of pods that are gone. */
  forget(podUid: string): void;
  close(): Promise<void>;
}

/** Replicas are asked so many at a time, however many there are. */
const CONCURRENCY = 32;
/** A state is small: 64 models with their failures. */
const MAX_BODY_BYTES = 1024 * 1024;

/** An observer that asks over HTTP. A replica that is ready serves what it said then until it restarts: it is asked once. */
export function createReplicaObserver(
  options: { readonly timeoutMs?: number; readonly port?: number } = {},
): ReplicaObserver {
  const { timeoutMs = 1_500, port = ADMIN_PORT } = options;
  const agent = new Agent({
    connect: { timeout: timeoutMs },
    maxResponseSize: MAX_BODY_BYTES,
    keepAliveTimeout: 10_000,
  });
  const settled = new Map<string, { readonly restartCount: number; readonly state: ReplicaState }>();

  async function ask(pod: PodObject, signal: AbortSignal): Promise<ReplicaState | undefined> {
    const { podIP, containerStatuses } = pod.status ?? {};
    const container = containerStatuses?.[0];
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
    try {
      const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
      const { statusCode, body } = await request(url, { dispatcher: agent, signal: deadline });
      if (statusCode === 200) return parseReplicaState(await body.json());
      await body.dump();
    } catch {
      // A replica that starts, stops or is cut off: its pod's own status says more than this error could.
      signal.throwIfAborted();
    }
    return undefined;
  }

  return {
    async observe(pods, signal) {
      const observed: ObservedReplica[] = [];
      let next = 0;
      async function work(): Promise<void> {
        for (let index = next++; index < pods.length; index = next++) {
          const pod = pods[index];
          if (pod !== undefined) observed[index] = { pod, state: await ask(pod, signal) };
        }
      }
      await Promise.all(Array.from({ length: Math.min(CONCURRENCY, pods.length) }, work));
      return observed;
    },
    forget(podUid) {
      settled.delete(podUid);
    },
    close: () => agent.close(),
  };
}
