import { DeadlineQueue } from "../serving/deadline-queue.ts";
import type { FastConnection, FastConnectionHost } from "./fast-connection.ts";
import type { HttpLimits } from "./http-server-options.ts";

/** Makes what the fast connections of one server share: their deadlines, and the way to the server. */
export function createFastHost(
  options: Pick<
    FastConnectionHost,
    "isDraining" | "unsent" | "routeOf" | "handOver" | "opened" | "closed" | "answered"
  > & {
    readonly limits: HttpLimits;
  },
): FastConnectionHost {
  const { limits, isDraining, unsent, routeOf, handOver, opened, closed, answered } = options;
  const queue = (durationMs: number): DeadlineQueue<FastConnection> => {
    const made: DeadlineQueue<FastConnection> = new DeadlineQueue(durationMs, (connection) => connection.expire(made));
    return made;
  };
  return {
    keepAliveTimeoutMs: limits.keepAliveTimeoutMs,
    lingerMs: limits.lingerMs,
    isDraining,
    unsent,
    routeOf,
    handOver,
    opened,
    closed,
    answered,
    fresh: queue(Math.min(limits.headersTimeoutMs, limits.receiveTimeoutMs)),
    idle: queue(limits.keepAliveTimeoutMs),
    receiving: queue(limits.receiveTimeoutMs),
    sending: queue(limits.sendTimeoutMs),
    lingering: queue(limits.lingerMs),
  };
}
