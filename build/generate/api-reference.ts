import { walkSchema, type CustomResourceDefinition, type JsonSchema, type SchemaNode } from "./crd.ts";
import { code, notice, table } from "./markdown.ts";

/** Makes docs/reference/api.md: every field, its type, default and limits, and what the API server refuses. */
export function apiReference(crd: CustomResourceDefinition, source: string): string {
  const sections = sectionsOf(crd.schema);
  const anchors = new Map(sections.map((section) => [section.schema, anchor(section.path)]));
  return `${notice(source)}

# API reference: ${crd.kind}

${crd.schema.description}

${table(
  ["What", "Value"],
  [
    ["`apiVersion`", code(`${crd.group}/${crd.version}`)],
    ["`kind`", code(crd.kind)],
    ["Short names for `kubectl`", crd.shortNames.map(code).join(", ")],
    ["Subresources", "`status`; `scale`, by which `kubectl scale` sets `spec.predictor.minReplicas`"],
  ],
)}

\`kubectl explain ${crd.shortNames[0] ?? crd.plural}.spec --recursive\` shows the same on a cluster. A field that this page does not
have is refused, unless \`kubectl apply --validate=ignore\` drops it.

## Columns of \`kubectl get\`

${table(
  ["Column", "Field", "What it is"],
  crd.printerColumns.map((column) => [
    (column.priority ?? 0) > 0 ? `${column.name} (with \`-o wide\`)` : column.name,
    code(column.jsonPath),
    column.description ?? "",
  ]),
)}

## Fields

Fields in bold are required.
${rules({ path: "", schema: crd.schema, required: true })}
${sections.map((section) => sectionText(section, anchors)).join("\n")}`;
}

/** Objects with fields of their own; one that is used in several places has one section. */
function sectionsOf(schema: JsonSchema): SchemaNode[] {
  const seen = new Set<JsonSchema>();
  return [...walkSchema(schema)].filter((node) => {
    if (node.path === "" || node.schema.properties === undefined || seen.has(node.schema)) return false;
    seen.add(node.schema);
    return true;
  });
}

function sectionText(section: SchemaNode, anchors: ReadonlyMap<JsonSchema, string>): string {
  const { path, schema } = section;
  const rows = Object.entries(schema.properties ?? {}).map(([name, child]) => [
    schema.required?.includes(name) === true ? `**${code(name)}**` : code(name),
    typeText(child, anchors),
    code(child.default),
    [child.description, ...limits(child)].filter((part) => part !== undefined).join(" "),
  ]);
  const text = schema.description === undefined ? "" : `${schema.description}\n\n`;
  return `### \`${path}\`\n\n${text}${table(["Field", "Type", "Default", "What it is"], rows)}\n${rules(section)}`;
}

/** The messages with which the API server refuses an object, or fields of it that have no section. */
function rules(section: SchemaNode): string {
  const below = [...walkSchema(section.schema, section.path)].filter(
    (node) =>
      node.schema === section.schema || (node.schema.properties === undefined && isOwn(node.path, section.path)),
  );
  const messages = below.flatMap(({ path, schema }) =>
    (schema["x-kubernetes-validations"] ?? []).map(
      (rule) => `- ${code(`${path}${rule.fieldPath ?? ""}` || "metadata.name")}: ${rule.message}`,
    ),
  );
  return messages.length === 0 ? "" : `\nRefused with:\n\n${messages.join("\n")}\n`;
}

/** Whether a path is a field of the section itself, not of an object below it. */
function isOwn(path: string, section: string): boolean {
  return section !== "" && !path.slice(section.length + 1).includes(".");
}

function anchor(path: string): string {
  return path.toLowerCase().replaceAll(/[^a-z0-9-]/g, "");
}

function typeText(schema: JsonSchema, anchors: ReadonlyMap<JsonSchema, string>): string {
  if (schema["x-kubernetes-int-or-string"] ?? false) return "quantity";
  if (schema.enum !== undefined) return schema.enum.map(code).join(" or ");
  if (schema.type === "array") return `list of ${plural(typeText(schema.items ?? {}, anchors))}`;
  const section = anchors.get(schema);
  if (section !== undefined) return `[object](#${section})`;
  if (schema.additionalProperties !== undefined)
    return `map of names to ${plural(typeText(schema.additionalProperties, anchors))}`;
  return schema.format === "date-time" ? "time" : (schema.type ?? "any");
}

function plural(type: string): string {
  if (type === "quantity") return "quantities";
  return type.startsWith("[object]") ? type.replace("[object]", "[objects]") : `${type}s`;
}

/** The schema's limits, in words. */
function limits(schema: JsonSchema): string[] {
  const found = [
    range(schema),
    schema.maxLength === undefined ? undefined : `At most ${schema.maxLength} characters.`,
    schema.pattern === undefined ? undefined : `Matches ${code(schema.pattern)}.`,
    entries(schema.minItems, schema.maxItems ?? schema.maxProperties),
    uniqueness(schema),
    ...(schema.items === undefined || schema.items.properties !== undefined ? [] : limits(schema.items)),
  ];
  return found.filter((text) => text !== undefined);
}

function range({ minimum, maximum }: JsonSchema): string | undefined {
  if (minimum !== undefined && maximum !== undefined) return `From ${minimum} to ${maximum}.`;
  if (minimum !== undefined) return `At least ${minimum}.`;
  return maximum === undefined ? undefined : `At most ${maximum}.`;
}

function entries(atLeast: number | undefined, atMost: number | undefined): string | undefined {
  if (atMost === undefined) return undefined;
  if (atMost === 1) return "At most one of them.";
  return atLeast === undefined ? `At most ${atMost} entries.` : `From ${atLeast} to ${atMost} entries.`;
}

function uniqueness(schema: JsonSchema): string | undefined {
  if (schema["x-kubernetes-list-type"] === "set") return "No value twice.";
  const keys = schema["x-kubernetes-list-map-keys"];
  return keys === undefined ? undefined : `No ${keys.map(code).join(" and ")} twice.`;
}
