import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import { loadAll, YAMLException } from "js-yaml";
import { INFERENCE_SERVICE, type InferenceService } from "../common/inferenceservice.gen.ts";
import { CliError } from "./cli-error.ts";
import { strictSchema, type JsonSchema } from "./strict-schema.ts";

/** What a file with Kubernetes objects holds. */
export interface Manifest {
  /** Checked, with defaults filled in. */
  readonly services: readonly InferenceService[];
  /** Kind and name of the other objects, which a single process has no use for. */
  readonly others: readonly string[];
}

/** Reads the text of manifests. Throws {@link CliError}, which names each field that is wrong. */
export type ReadManifest = (text: string, file: string) => Manifest;

/** Makes a reader by the text of the CRD: the schema, its defaults and its rules are the cluster's own. */
export function createManifestReader(crdText: string): ReadManifest {
  const validate = compile(crdText);
  return (text, file) => {
    const services: InferenceService[] = [];
    const others: string[] = [];
    for (const [index, document] of documentsOf(text, file).entries()) {
      if (document === null || document === undefined) continue;
      const place = `${file}, document ${index + 1}`;
      if (isInferenceService(document)) services.push(checked(document, validate, place));
      else others.push(describeOther(document, place));
    }
    if (services.length === 0)
      throw new CliError(
        `${file} holds no InferenceService${others.length === 0 ? "" : `, only ${others.join(", ")}`}. Expected one that starts with\n` +
          `  apiVersion: ${INFERENCE_SERVICE.apiVersion}\n  kind: ${INFERENCE_SERVICE.kind}`,
      );
    return { services, others };
  };
}

function compile(crdText: string): ValidateFunction {
  const [crd] = loadAll(crdText) as [Crd];
  const schema = crd.spec.versions[0]?.schema.openAPIV3Schema;
  if (schema === undefined) throw new Error("the CRD has no schema");
  // Kubernetes' own keywords and formats say nothing that a JSON schema does not.
  const ajv = new Ajv({
    strict: false,
    allErrors: true,
    useDefaults: true,
    verbose: true,
    formats: { int32: true, int64: true, "date-time": true },
  });
  return ajv.compile(strictSchema(schema));
}

interface Crd {
  readonly spec: { readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: JsonSchema } }[] };
}

function documentsOf(text: string, file: string): unknown[] {
  try {
    return loadAll(text);
  } catch (error) {
    if (!(error instanceof YAMLException)) throw error;
    throw new CliError(`${file} is not YAML: ${error.message}`, { cause: error });
  }
}

/** By apiVersion, whatever the release of the API; and by kind alone, since that is how KServe's manifests look. */
function isInferenceService(document: unknown): boolean {
  return (
    typeof document === "object" && document !== null && "kind" in document && document.kind === "InferenceService"
  );
}

function describeOther(document: unknown, place: string): string {
  if (typeof document !== "object" || document === null || !("kind" in document))
    throw new CliError(`${place}: expected an object of Kubernetes, with apiVersion, kind and metadata`);
  const { kind, metadata } = document as { kind: unknown; metadata?: { name?: unknown } };
  const name = metadata?.name;
  return `${shown(kind)} ${typeof name === "string" ? name : "without a name"}`.replaceAll('"', "");
}

function checked(document: unknown, validate: ValidateFunction, place: string): InferenceService {
  const { apiVersion } = document as { apiVersion?: unknown };
  if (apiVersion !== INFERENCE_SERVICE.apiVersion)
    throw new CliError(
      `${place}: apiVersion is ${JSON.stringify(apiVersion)}, expected ${JSON.stringify(INFERENCE_SERVICE.apiVersion)}`,
    );
  const problems = validate(document) ? [] : problemsOf(validate.errors ?? []);
  const service = document as InferenceService;
  if (problems.length === 0) problems.push(...ruleProblemsOf(service));
  if (problems.length > 0)
    throw new CliError(`${place} is not a valid InferenceService:\n${problems.map((line) => `  ${line}`).join("\n")}`);
  return service;
}

/** Those rules of the CRD that bear on serving in one process; its other rules need the API server's language. */
function ruleProblemsOf({ metadata, spec: { predictor } }: InferenceService): string[] {
  const problems: string[] = [];
  if (!/^[a-z]([-a-z0-9]{0,48}[a-z0-9])?$/.test(metadata.name))
    problems.push(
      "metadata.name becomes the name of a Service: use at most 50 lower-case letters, digits and '-', starting with a letter",
    );
  if ((predictor.model === undefined) === (predictor.onnx === undefined))
    problems.push("spec.predictor: set exactly one of predictor.model and its shorthand predictor.onnx");
  if (predictor.maxReplicas !== undefined && predictor.maxReplicas < predictor.minReplicas)
    problems.push("spec.predictor.maxReplicas must not be below minReplicas (default 1)");
  return problems;
}

function problemsOf(errors: readonly ErrorObject[]): string[] {
  // Alternatives report each branch; the summary of them says nothing more.
  return [...new Set(errors.filter(({ keyword }) => keyword !== "anyOf").map(problemOf))];
}

function problemOf(error: ErrorObject): string {
  const path = fieldPath(error.instancePath);
  const params = error.params as Readonly<Record<string, unknown>>;
  const at = path === "" ? "" : `${path}: `;
  switch (error.keyword) {
    case "additionalProperties": {
      const name = String(params["additionalProperty"]);
      const known = Object.keys((error.parentSchema?.["properties"] as object | undefined) ?? {});
      const near = nearest(name, known);
      const hint = near === undefined ? `expected one of ${known.join(", ")}` : `did you mean ${near}?`;
      return `${path === "" ? name : `${path}.${name}`}: there is no such field; ${hint}`;
    }
    case "required":
      return `${path === "" ? "" : `${path}.`}${String(params["missingProperty"])} is missing`;
    case "enum":
      return `${at}expected one of ${(params["allowedValues"] as unknown[]).join(", ")}, got ${shown(error.data)}`;
    case "type":
      return `${at}expected ${String(params["type"])}, got ${shown(error.data)}`;
    case "pattern":
      return `${at}expected text that matches ${String(params["pattern"])}, got ${shown(error.data)}`;
    default:
      return `${at}${error.message ?? error.keyword}`;
  }
}

/** `/spec/predictor/env/0/name` as `spec.predictor.env[0].name`. */
function fieldPath(pointer: string): string {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === "" ? part : `${path}.${part}`), "");
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 59)}…` : text;
}

/** The known word that was probably meant; undefined if none is near. */
function nearest(word: string, known: readonly string[]): string | undefined {
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(word.toLowerCase(), candidate.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  return best !== undefined && best.distance <= Math.max(1, Math.floor(word.length / 3)) ? best.candidate : undefined;
}

/** How many letters must be added, removed, changed to make one word of the other. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
