import { readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { expect, test } from "vitest";
import type { InferenceService } from "../../../../common/inferenceservice.gen.ts";
import { readOperatorConfig } from "../../../../operator/config.ts";
import { desiredObjects } from "../../../../operator/desired/desired-objects.ts";

const INPUT = path.join(import.meta.dirname, "../../../golden/desired/minimal.in.yaml");

test.each([
  ["is told to leave its page out", "false", "off"],
  // A variable that says what is so anyhow would replace all replicas at an upgrade.
  ["is told nothing of its page where it has one", "true", undefined],
])("a replica %s", (_words, ui, expected) => {
  const config = readOperatorConfig({ LOCKSTEP_RUNTIME_IMAGE: "runtime:1", LOCKSTEP_RUNTIME_UI: ui });
  const isvc = load(readFileSync(INPUT, "utf8")) as InferenceService;
  const { objects } = desiredObjects(isvc, config, { publicKeyPem: "", namespace: "lockstep-system" });
  const deployment = objects.find((object) => object.kind === "Deployment");
  const variables = deployment?.spec.template.spec?.containers[0]?.env ?? [];
  expect(variables.map(({ name }) => name)).toContain("LOCKSTEP_CONFIG");
  expect(variables.find(({ name }) => name === "LOCKSTEP_UI")?.value).toBe(expected);
});
