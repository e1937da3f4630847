import { walkSchema, type CustomResourceDefinition, type JsonSchema } from "./crd.ts";
import { wordWrap } from "./word-wrap.ts";

/**
 * Names of the types for nested objects, by the path of their schema. Every object with properties must have one:
 * a name that is only right for one place reads better than one made from the field.
 */
const TYPE_NAMES: Readonly<Record<string, string>> = {
  spec: "InferenceServiceSpec",
  "spec.predictor": "Predictor",
  "spec.predictor.model": "Model",
  "spec.predictor.model.modelFormat": "ModelFormat",
  "spec.predictor.model.storage": "ModelStorage",
  "spec.predictor.model.storage.secretRef": "SecretReference",
  "spec.predictor.model.storage.caBundle": "CaBundle",
  "spec.predictor.model.storage.caBundle.configMapRef": "ConfigMapKeyReference",
  "spec.predictor.model.storage.verify": "ModelVerification",
  "spec.predictor.model.versionPolicy": "ModelVersionPolicy",
  "spec.predictor.model.versionPolicy.latest": "LatestVersions",
  "spec.predictor.model.versionPolicy.specific": "SpecificVersions",
  "spec.predictor.model.versionPolicy.all": "AllVersions",
  "spec.predictor.model.warmup": "ModelWarmup",
  "spec.predictor.model.state[]": "ModelState",
  "spec.predictor.model.sequences": "ModelSequences",
  "spec.predictor.model.resources": "ResourceRequirements",
  "spec.predictor.model.resources.requests.*": "Quantity",
  "spec.predictor.onnx": "OnnxModel",
  "spec.predictor.batcher": "Batcher",
  "spec.predictor.concurrency": "Concurrency",
  "spec.predictor.scaling": "Scaling",
  "spec.predictor.scaling.behavior": "ScalingBehavior",
  "spec.predictor.scaling.behavior.scaleUp": "ScalingRules",
  "spec.predictor.scaling.behavior.scaleUp.policies[]": "ScalingPolicy",
  "spec.predictor.modelCache": "ModelCache",
  "spec.predictor.modelCache.hostPath": "HostPath",
  "spec.predictor.modelCache.persistentVolumeClaim": "ClaimReference",
  "spec.predictor.service": "PredictorService",
  "spec.predictor.env[]": "EnvironmentVariable",
  "spec.predictor.monitoring": "Monitoring",
  "spec.predictor.monitoring.drift": "MonitoringDrift",
  "spec.predictor.monitoring.feedback": "MonitoringFeedback",
  "spec.predictor.logger": "PayloadLogger",
  "spec.predictor.tolerations[]": "Toleration",
  "spec.predictor.topologySpreadConstraints[]": "TopologySpreadConstraint",
  "spec.predictor.imagePullSecrets[]": "ImagePullSecret",
  status: "InferenceServiceStatus",
  "status.address": "Address",
  "status.rollout": "RolloutStatus",
  "status.loading": "StatusLoading",
  "status.drift": "StatusDrift",
  "status.drift.features[]": "StatusDriftFeature",
  "status.failures[]": "StatusFailure",
  "status.conditions[]": "Condition",
};

const HEAD = `// Generated from crds/inferenceservices.yaml by \`npm run generate\`. Do not edit.

/**
 * Types of InferenceService as the API server returns it: defaults are filled in, so a field that has one is always
 * there when the object around it is. Objects from a cache are shared, hence everything is read-only.
 */
`;

const SCALAR_TYPES = { string: "string", boolean: "boolean", integer: "number", number: "number" } as const;

const OBJECT_META = `/** What every object of Kubernetes carries. */
export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  /** Counts the changes of spec. */
  readonly generation?: number;
  /** Changes with every write; only good for comparing. */
  readonly resourceVersion?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  /** Set when the object is being deleted. */
  readonly deletionTimestamp?: string;
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** The object that another one belongs to, and is deleted with. */
export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}
`;

/**
 * Makes the TypeScript source of the types of a CustomResourceDefinition. Throws an Error that names the path if a
 * nested object has no type name yet, or if a type name has no object any more.
 */
export function typeDeclarations(crd: CustomResourceDefinition, typeNames = TYPE_NAMES): string {
  const named = nameSchemas(crd.schema, typeNames);
  const paths = Object.fromEntries(Object.entries(typeNames).map(([path, name]) => [name, path]));
  const declarations = [...named].map(([schema, name]) =>
    declaration(schema, { name, doc: schema.description ?? `One of ${paths[name]}.`.replace("[]", "") }, named),
  );
  return [HEAD, constants(crd), root(crd, named), OBJECT_META, ...declarations].join("\n");
}

/** Finds the schemas that become named types; one that is shared by an alias has its first path's name. */
function nameSchemas(schema: JsonSchema, typeNames: Readonly<Record<string, string>>): Map<JsonSchema, string> {
  const named = new Map<JsonSchema, string>();
  const unused = new Set(Object.keys(typeNames));
  for (const node of walkSchema(schema)) {
    const isRoot = node.path === "" || node.path === "metadata";
    const isObject = node.schema.type === "object" && isPlainObject(node.schema);
    if (isRoot || named.has(node.schema) || (!isObject && !(node.path in typeNames))) continue;
    const name = typeNames[node.path];
    if (name === undefined) throw new Error(`${node.path} needs a name in TYPE_NAMES of build/generate/types.ts`);
    unused.delete(node.path);
    named.set(node.schema, name);
  }
  if (unused.size > 0)
    throw new Error(`TYPE_NAMES of build/generate/types.ts names what is not there: ${[...unused].join(", ")}`);
  return named;
}

function isPlainObject(schema: JsonSchema): boolean {
  return schema.additionalProperties === undefined && !(schema["x-kubernetes-preserve-unknown-fields"] ?? false);
}

function constants(crd: CustomResourceDefinition): string {
  return `/** What the API server calls the resource. */
export const INFERENCE_SERVICE = {
  group: ${JSON.stringify(crd.group)},
  version: ${JSON.stringify(crd.version)},
  apiVersion: ${JSON.stringify(`${crd.group}/${crd.version}`)},
  kind: ${JSON.stringify(crd.kind)},
  plural: ${JSON.stringify(crd.plural)},
} as const;

/** How many rules of the Common Expression Language its schema has, by which a stored one can be told from a mutilated one. */
export const VALIDATION_RULE_COUNT = ${countRules(crd.schema)};
`;
}

function countRules(schema: JsonSchema): number {
  return [...walkSchema(schema)].reduce((sum, node) => sum + (node.schema["x-kubernetes-validations"]?.length ?? 0), 0);
}

function root(crd: CustomResourceDefinition, named: ReadonlyMap<JsonSchema, string>): string {
  const fields = Object.entries(crd.schema.properties ?? {})
    .filter(([name]) => !["apiVersion", "kind", "metadata"].includes(name))
    .map(([name, schema]) => field(name, schema, crd.schema, named));
  return `${comment(crd.schema.description, "")}export interface ${crd.kind} {
  readonly apiVersion: typeof INFERENCE_SERVICE.apiVersion;
  readonly kind: typeof INFERENCE_SERVICE.kind;
  readonly metadata: ObjectMeta;
${fields.join("")}}
`;
}

function declaration(
  schema: JsonSchema,
  { name, doc }: { readonly name: string; readonly doc: string },
  named: ReadonlyMap<JsonSchema, string>,
): string {
  const fields = Object.entries(schema.properties ?? {});
  if (schema.type !== "object")
    return `/** An amount, such as 2, 250m or 1Gi. */\nexport type ${name} = ${inlineType(schema, named)};\n`;
  if (fields.length === 0) return `${comment(doc, "")}export type ${name} = Readonly<Record<string, never>>;\n`;
  const body = fields.map(([key, child]) => field(key, child, schema, named)).join("");
  return `${comment(doc, "")}export interface ${name} {\n${body}}\n`;
}

function field(name: string, schema: JsonSchema, parent: JsonSchema, named: ReadonlyMap<JsonSchema, string>): string {
  const present = (parent.required?.includes(name) ?? false) || schema.default !== undefined;
  return `${comment(schema.description, "  ", named.has(schema))}  readonly ${name}${present ? "" : "?"}: ${typeOf(schema, named)};\n`;
}

function typeOf(schema: JsonSchema, named: ReadonlyMap<JsonSchema, string>): string {
  return named.get(schema) ?? inlineType(schema, named);
}

function inlineType(schema: JsonSchema, named: ReadonlyMap<JsonSchema, string>): string {
  if (schema["x-kubernetes-int-or-string"] ?? false) return "string | number";
  if (schema.enum !== undefined) return schema.enum.map((word) => JSON.stringify(word)).join(" | ");
  if (schema.type === "array") return `readonly ${wrap(typeOf(schema.items ?? {}, named))}[]`;
  if (schema.type === "object") return `Readonly<Record<string, ${typeOf(schema.additionalProperties ?? {}, named)}>>`;
  return schema.type === undefined ? "unknown" : SCALAR_TYPES[schema.type];
}

/** Parentheses around a union, which an array of it needs. */
function wrap(type: string): string {
  return type.includes("|") ? `(${type})` : type;
}

/** A TSDoc comment, or nothing where the type of the field carries the same text. */
function comment(text: string | undefined, indent: string, saidElsewhere = false): string {
  if (text === undefined || saidElsewhere) return "";
  const lines = wordWrap(text.replaceAll("*/", "*\\/"), 116 - indent.length);
  if (lines.length === 1) return `${indent}/** ${lines[0]} */\n`;
  return `${indent}/**\n${lines.map((line) => `${indent} * ${line}\n`).join("")}${indent} */\n`;
}
