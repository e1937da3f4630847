import { ADMIN_PORT } from "../../common/ports.ts";
import type { PodObject } from "../observed/observation.ts";
import { runtimeStatus } from "../observed/replica-failure.ts";

/** Where the admin port of a pod's replica is; undefined while no process runs there. */
export function originOf(pod: PodObject, port: number = ADMIN_PORT): string | undefined {
  const { podIP } = pod.status ?? {};
  if (podIP === undefined || runtimeStatus(pod)?.state?.running === undefined) return undefined;
  return `http://${podIP.includes(":") ? `[${podIP}]` : podIP}:${port}`;
}
