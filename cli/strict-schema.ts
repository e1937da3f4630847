/** A schema as JSON, of unknown shape. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * A CRD's schema as a JSON schema that refuses unknown fields: an object that lists its properties has no others, as
 * `kubectl apply --validate=strict` sees it. `metadata` stays open, since the API server knows it and the CRD does not.
 */
export function strictSchema(schema: JsonSchema): JsonSchema {
  const strict = closed(schema);
  const properties = { ...asObject(strict["properties"]) };
  properties["metadata"] = {
    type: "object",
    required: ["name"],
    properties: {
      name: { type: "string", minLength: 1 },
      namespace: { type: "string" },
      labels: { type: "object", additionalProperties: { type: "string" } },
      annotations: { type: "object", additionalProperties: { type: "string" } },
    },
  };
  return { ...strict, properties, required: ["apiVersion", "kind", "metadata", ...asList(strict["required"])] };
}

function closed(schema: JsonSchema): JsonSchema {
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === "properties") {
      result[key] = Object.fromEntries(
        Object.entries(asObject(value)).map(([name, property]) => [name, closed(asObject(property))]),
      );
    } else if (key === "items" || (key === "additionalProperties" && typeof value === "object")) {
      result[key] = closed(asObject(value));
    } else result[key] = value;
  }
  const isOpen =
    schema["x-kubernetes-preserve-unknown-fields"] === true || schema["additionalProperties"] !== undefined;
  if (schema["type"] === "object" && schema["properties"] !== undefined && !isOpen)
    result["additionalProperties"] = false;
  return result;
}

function asObject(value: unknown): JsonSchema {
  return typeof value === "object" && value !== null ? (value as JsonSchema) : {};
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
