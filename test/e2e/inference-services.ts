import type { InferenceService, InferenceServiceStatus } from "../../common/inferenceservice.gen.ts";
import { eventually } from "../eventually.ts";
import { apply, read } from "./kubectl.ts";

/** A manifest of an InferenceService. */
export function manifest(name: string, predictor: object, spec: object = {}): object {
  return {
    apiVersion: "serving.lockstep.dev/v1alpha1",
    kind: "InferenceService",
    metadata: { name },
    spec: { ...spec, predictor },
  };
}

/** Applies an InferenceService and waits until the current spec is served; returns how long that took. */
export async function applyAndWait(namespace: string, object: object, withinMs = 60_000): Promise<number> {
  const startMs = performance.now();
  await apply(object, namespace);
  const { name } = (object as { metadata: { name: string } }).metadata;
  await waitReady(namespace, name, withinMs);
  return Math.round(performance.now() - startMs);
}

/** Waits until condition Ready is true for the current generation. */
export function waitReady(namespace: string, name: string, withinMs = 60_000): Promise<InferenceService> {
  return waitFor(namespace, name, "Ready", (status) => conditionOf(status, "Ready") === "True Serving", withinMs);
}

/** Waits for a status of the current generation that fits. */
export function waitFor(
  namespace: string,
  name: string,
  what: string,
  fits: (status: InferenceServiceStatus) => boolean,
  withinMs = 60_000,
): Promise<InferenceService> {
  return eventually(
    `${name}: ${what}`,
    async () => {
      const isvc = await read<InferenceService>(namespace, "isvc", name);
      const status = isvc?.status;
      if (status !== undefined && status.observedGeneration === isvc?.metadata.generation && fits(status)) return isvc;
      throw new Error(
        JSON.stringify(
          status?.conditions?.map(({ type, status: holds, reason, message }) => [type, holds, reason, message]),
        ),
      );
    },
    { withinMs },
  );
}

/** A condition as `STATUS REASON`. */
export function conditionOf(status: InferenceServiceStatus | undefined, type: string): string {
  const condition = status?.conditions?.find((candidate) => candidate.type === type);
  return condition === undefined ? "" : `${condition.status} ${condition.reason}`;
}

/** Waits until an inference request to this address is answered: a Service's port may be open some time after its replicas are ready. */
export async function waitAnswers(url: string, body: string, withinMs = 10_000): Promise<void> {
  const request = { method: "POST", headers: { "content-type": "application/json" }, body };
  await eventually(`an answer of ${url}`, async () => (await fetch(url, request)).ok || undefined, { withinMs });
}
