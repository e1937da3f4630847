import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { CliError } from "../../../cli/cli-error.ts";
import { createManifestReader } from "../../../cli/manifest.ts";
import { runtimeConfigOf } from "../../../common/runtime-config-of.ts";

const ROOT = new URL("../../../", import.meta.url);
const read = createManifestReader(readFileSync(new URL("crds/inferenceservices.yaml", ROOT), "utf8"));

const HEAD = "apiVersion: serving.lockstep.dev/v1alpha1\nkind: InferenceService\n";
const service = (predictor: string, name = "digits"): string =>
  `${HEAD}metadata: { name: ${name} }\nspec: { predictor: ${predictor} }\n`;
const MODEL = "{ modelFormat: { name: onnx }, storageUri: s3://models/digits }";

function messageOf(text: string): string {
  try {
    read(text, "isvc.yaml");
  } catch (error) {
    if (error instanceof CliError) return error.message;
    throw error;
  }
  return "no error";
}

describe("the examples are valid", () => {
  const examples = readdirSync(new URL("examples/", ROOT)).filter((name) => name.endsWith(".yaml"));
  const services = examples.filter((name) => name !== "models-volume.yaml");
  test.each(services)("%s", (name) => {
    const manifest = read(readFileSync(new URL(`examples/${name}`, ROOT), "utf8"), name);
    expect(manifest.services.length).toBeGreaterThan(0);
    for (const isvc of manifest.services) expect(runtimeConfigOf(isvc).models).toHaveLength(1);
  });
});

describe("a manifest", () => {
  test("gets the cluster's defaults", () => {
    const [isvc] = read(service(`{ model: ${MODEL} }`), "isvc.yaml").services;
    expect(isvc?.spec).toMatchObject({ stop: false, predictor: { minReplicas: 1, timeout: 60 } });
  });

  test("may hold several documents, and other objects, which are named", () => {
    const text = [
      service(`{ model: ${MODEL} }`, "a"),
      "",
      "apiVersion: v1\nkind: Secret\nmetadata: { name: keys }\n",
      service("{ onnx: { storageUri: pvc://models/b } }", "b"),
    ].join("---\n");
    const manifest = read(text, "isvc.yaml");
    expect(manifest.services.map(({ metadata }) => metadata.name)).toEqual(["a", "b"]);
    expect(manifest.others).toEqual(["Secret keys"]);
  });

  const refused: readonly [string, string, RegExp][] = [
    ["text that is not YAML", "a: [", /isvc\.yaml is not YAML/],
    ["nothing", "", /holds no InferenceService\. Expected one that starts with\n {2}apiVersion: serving/],
    ["other objects only", "kind: Pod\nmetadata: { name: x }", /holds no InferenceService, only Pod x/],
    ["no object of Kubernetes", "- 1", /document 1: expected an object of Kubernetes/],
    [
      "KServe's own",
      "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: { name: a }\n",
      /apiVersion is "serving\.kserve\.io\/v1beta1", expected "serving\.lockstep\.dev\/v1alpha1"/,
    ],
    ["no spec", `${HEAD}metadata: { name: a }\n`, /\n {2}spec is missing/],
    ["no name", `${HEAD}metadata: {}\nspec: { predictor: { model: ${MODEL} } }`, /metadata\.name is missing/],
    [
      "a misspelt field",
      service(`{ model: { modelFormat: { name: onnx }, storageURI: s3://a/b } }`),
      /storageUri is missing\n {2}spec\.predictor\.model\.storageURI: there is no such field; did you mean storageUri\?/,
    ],
    [
      "an unknown field",
      service(`{ model: ${MODEL}, canaryTrafficPercent: 10 }`),
      /spec\.predictor\.canaryTrafficPercent: there is no such field; expected one of model, onnx,/,
    ],
    [
      "a wrong word",
      service(`{ model: { modelFormat: { name: sklearn }, storageUri: s3://a/b } }`),
      /spec\.predictor\.model\.modelFormat\.name: expected one of onnx, got "sklearn"/,
    ],
    [
      "a wrong type",
      service(`{ model: ${MODEL}, timeout: soon }`),
      /spec\.predictor\.timeout: expected integer, got "soon"/,
    ],
    [
      "a field in a list",
      service(`{ model: ${MODEL}, env: [{ name: "1A" }] }`),
      /spec\.predictor\.env\[0\]\.name: expected text that matches/,
    ],
    [
      "a number that is too great",
      service(`{ model: ${MODEL}, timeout: 9999 }`),
      /spec\.predictor\.timeout: must be <= 3600/,
    ],
    [
      "both model and onnx",
      service(`{ model: ${MODEL}, onnx: { storageUri: s3://a/b } }`),
      /set exactly one of predictor\.model/,
    ],
    ["neither model nor onnx", service("{ minReplicas: 1 }"), /set exactly one of predictor\.model/],
    [
      "a name that cannot be a Service's",
      service(`{ model: ${MODEL} }`, "Digits"),
      /metadata\.name becomes the name of a Service/,
    ],
    [
      "fewer replicas at most than at least",
      service(`{ model: ${MODEL}, minReplicas: 3, maxReplicas: 2 }`),
      /maxReplicas must not be below minReplicas/,
    ],
    ["fewer replicas than none", service(`{ model: ${MODEL}, minReplicas: -1 }`), /minReplicas/],
  ];
  test.each(refused)("is refused: %s", (_, text, message) => {
    expect(messageOf(text)).toMatch(message);
  });

  test("affinity is open, as it is on a cluster", () => {
    const [isvc] = read(service(`{ model: ${MODEL}, affinity: { nodeAffinity: { x: 1 } } }`), "isvc.yaml").services;
    expect(isvc?.spec.predictor.affinity).toEqual({ nodeAffinity: { x: 1 } });
  });
});
