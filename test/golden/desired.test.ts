import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { dump, load } from "js-yaml";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../common/canonical-json.ts";
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

/** Digests of what a release was given, and of the pod templates that it made of that, by case. */
type Release = Readonly<Record<string, { readonly input: string; readonly podTemplate: string }>>;

/**
 * Whoever upgrades the operator must not have all replicas restarted by it: what a release made, later ones make, as long as
 * the image of the runtime is the same. `RECORD_RELEASE=0.2.0 npm run test:unit` records a release, once.
 */
const RELEASES = path.join(import.meta.dirname, "released");
const recording = process.env["RECORD_RELEASE"];
if (recording !== undefined)
  writeFileSync(
    path.join(RELEASES, `${recording}.json`),
    `${JSON.stringify(Object.fromEntries(cases.map((name) => [name, digestsOf(name)])), undefined, 2)}\n`,
    { flag: "wx" },
  );
const releases = readdirSync(RELEASES);

describe("pod templates are those of", () => {
  test("some release", () => expect(releases.length).toBeGreaterThan(0));

  test.each(releases)("%s", (file) => {
    const release = JSON.parse(readFileSync(path.join(RELEASES, file), "utf8")) as Release;
    expect(Object.fromEntries(Object.keys(release).map((name) => [name, digestsOf(name)]))).toEqual(release);
  });
});

function digestsOf(name: string): Release[string] {
  const text = readFileSync(path.join(FOLDER, `${name}.in.yaml`), "utf8");
  const { objects } = desiredObjects(load(text) as InferenceService, CONFIG, OPERATOR);
  const deployment = objects.find(({ kind }) => kind === "Deployment");
  if (deployment?.kind !== "Deployment") throw new Error(`expected a Deployment of ${name}, got none`);
  return { input: sha256(canonicalJson(load(text))), podTemplate: sha256(canonicalJson(deployment.spec.template)) };
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
