import type { LoadFailure } from "../../bench/load.ts";
import { kubectl } from "./kubectl.ts";
import type { RefusedConnections } from "./refused-connections.ts";

/**
 * What there is to know about a request that just failed, as text: replicas and endpoints as the cluster sees them, the end
 * of the replicas' logs, and where the node sent a connection that was refused. To be asked for at once: replicas that go
 * away take their traces along. Never rejects.
 */
export async function failureTraces(
  namespace: string,
  failure: LoadFailure,
  refused: RefusedConnections,
): Promise<string> {
  const when = new Date().toISOString();
  const selector = ["-n", namespace, "-l", "serving.lockstep.dev/inferenceservice"];
  const traces = await Promise.all([
    trace("pods", kubectl(["get", "pods", ...selector, "-o", "wide"])),
    trace(
      "endpoints",
      kubectl([
        "get",
        "endpointslices",
        "-n",
        namespace,
        "-o",
        'jsonpath={range .items[*].endpoints[*]}{.addresses}{" "}{.targetRef.name}{" "}{.conditions}{"\\n"}{end}',
      ]),
    ),
    trace("logs", kubectl(["logs", ...selector, "--prefix", "--timestamps", "--tail=6"])),
  ]);
  return [
    `${failure.kind} after ${failure.atMs} ms from ${failure.from}, at ${when}`,
    `refused connections:\n${refused.from(failure.from)}`,
    ...traces,
  ].join("\n");
}

async function trace(what: string, text: Promise<string>): Promise<string> {
  return `${what}:\n${await text.catch((error: unknown) => String(error))}`;
}
