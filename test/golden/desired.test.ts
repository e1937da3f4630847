import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { dump, load } from "js-yaml";
import { describe, expect, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { readOperatorConfig } from "../../operator/config.ts";
import { desiredObjects } from "../../operator/desired/desired-objects.ts";

/**
 * What the operator makes of an InferenceService, one pair of files a feature. A change of an expectation that touches the
 * pod template means that an upgrade of the operator restarts everybody's replicas: think twice.
 * `UPDATE_GOLDEN=1 npm run test:unit` writes the expectations anew.
 */
const FOLDER = path.join(import.meta.dirname, "desired");
const CONFIG = readOperatorConfig({
  LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:0.1.0",
  LOCKSTEP_ALLOW_HOST_PATH_CACHE: "true",
});

const OPERATOR = { publicKeyPem: "-----BEGIN PUBLIC KEY-----\n", namespace: "lockstep-system" };

const cases = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".in.yaml"))
  .map((file) => file.slice(0, -".in.yaml".length));

describe("desired objects", () => {
  test("there are cases", () => expect(cases.length).toBeGreaterThan(5));

  test.each(cases)("%s", (name) => {
    // As the API server stores it, defaults filled in.
    const isvc = load(readFileSync(path.join(FOLDER, `${name}.in.yaml`), "utf8")) as InferenceService;
    const file = path.join(FOLDER, `${name}.out.yaml`);
    const found = desiredObjects(isvc, CONFIG, OPERATOR).objects.map((object) =>
      dump(object, { lineWidth: 120, noRefs: true, sortKeys: true }),
    );
    const text = found.join("---\n");
    if (process.env["UPDATE_GOLDEN"] !== undefined) writeFileSync(file, text);
    expect(text).toBe(readFileSync(file, "utf8"));
  });
});
