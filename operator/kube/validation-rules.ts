import { INFERENCE_SERVICE, VALIDATION_RULE_COUNT } from "../../common/inferenceservice.gen.ts";
import type { Logger } from "../../common/logger.ts";
import { backOffMs } from "../controller/back-off.ts";
import { sleep, systemClock } from "../controller/clock.ts";
import type { KubeClient } from "./client.ts";

/** The schema of a CustomResourceDefinition is published a while after that was made. */
const BACK_OFF = { baseMs: 1_000, maxMs: 60_000 };
const MAX_TRIES = 10;

/**
 * Warns if the stored CustomResourceDefinition has lost its validation rules, as some clients drop them when they write
 * one, or is of an older release: the API server would then take InferenceServices that it should refuse. Reads the API
 * server's published schema, for which every service account has the right. Never throws.
 */
export async function checkValidationRules(client: KubeClient, logger: Logger, signal: AbortSignal): Promise<void> {
  const { apiVersion, plural, group } = INFERENCE_SERVICE;
  for (let tries = 1; tries <= MAX_TRIES && !signal.aborted; tries += 1) {
    try {
      const { body } = await client.send({ method: "GET", path: `/openapi/v3/apis/${apiVersion}`, signal });
      const found = countRules(body);
      if (found >= VALIDATION_RULE_COUNT) return;
      logger.warn(
        { customResourceDefinition: `${plural}.${group}`, found, expected: VALIDATION_RULE_COUNT },
        "the CustomResourceDefinition lacks validation rules: install the one of this release with kubectl apply or helm",
      );
      return;
    } catch (error) {
      if (!signal.aborted) logger.debug({ err: error }, "the published schema could not be read");
      await sleep(systemClock, backOffMs(BACK_OFF, tries, Math.random()), signal).catch(() => {});
    }
  }
}

/** How many rules there are anywhere in a published schema. */
function countRules(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  for (const [name, child] of Object.entries(value)) {
    if (name === "x-kubernetes-validations" && Array.isArray(child)) count += child.length;
    else count += countRules(child);
  }
  return count;
}
