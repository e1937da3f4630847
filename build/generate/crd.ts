import { load } from "js-yaml";

/** A rule in the Common Expression Language, which the API server checks. */
export interface ValidationRule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** The part of OpenAPI v3 that a structural schema of Kubernetes uses. */
export interface JsonSchema {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly description?: string;
  readonly format?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema;
  readonly items?: JsonSchema;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-preserve-unknown-fields"?: boolean;
  readonly "x-kubernetes-list-type"?: "atomic" | "map" | "set";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
  readonly "x-kubernetes-validations"?: readonly ValidationRule[];
}

/** A column of `kubectl get`. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: string;
  readonly jsonPath: string;
  readonly description?: string;
  readonly priority?: number;
}

/** What the generated files need of a CustomResourceDefinition. */
export interface CustomResourceDefinition {
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  readonly shortNames: readonly string[];
  readonly version: string;
  readonly printerColumns: readonly PrinterColumn[];
  readonly schema: JsonSchema;
}

interface Manifest {
  readonly kind: string;
  readonly spec: {
    readonly group: string;
    readonly names: { readonly kind: string; readonly plural: string; readonly shortNames?: readonly string[] };
    readonly versions: readonly {
      readonly name: string;
      readonly additionalPrinterColumns?: readonly PrinterColumn[];
      readonly schema: { readonly openAPIV3Schema: JsonSchema };
    }[];
  };
}

/**
 * Reads the YAML of a CustomResourceDefinition that has one version. What is an alias in the YAML (`*name`) is the
 * very same object in the result. Throws an Error if the text is something else.
 */
export function parseCustomResourceDefinition(yaml: string): CustomResourceDefinition {
  const manifest = load(yaml) as Manifest | null | undefined;
  if (manifest?.kind !== "CustomResourceDefinition")
    throw new Error(`expected a CustomResourceDefinition, got kind ${manifest?.kind}`);
  const { group, names, versions } = manifest.spec;
  const [version, ...others] = versions;
  if (version === undefined || others.length > 0) throw new Error(`expected one version, got ${versions.length}`);
  return {
    group,
    kind: names.kind,
    plural: names.plural,
    shortNames: names.shortNames ?? [],
    version: version.name,
    printerColumns: version.additionalPrinterColumns ?? [],
    schema: version.schema.openAPIV3Schema,
  };
}

/** A schema and where it is: `spec.predictor.env[].name`. The root's path is empty. */
export interface SchemaNode {
  readonly path: string;
  readonly schema: JsonSchema;
  readonly required: boolean;
}

/** A schema and all that are inside it, parents first, in the order in which they are written. */
export function* walkSchema(schema: JsonSchema, path = "", required = true): Generator<SchemaNode> {
  yield { path, schema, required };
  for (const [name, child] of Object.entries(schema.properties ?? {})) {
    const below = path === "" ? name : `${path}.${name}`;
    yield* walkSchema(child, below, schema.required?.includes(name) ?? false);
  }
  if (schema.items !== undefined) yield* walkSchema(schema.items, `${path}[]`);
  if (schema.additionalProperties !== undefined) yield* walkSchema(schema.additionalProperties, `${path}.*`);
}
