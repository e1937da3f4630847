import { dump } from "js-yaml";
import { code, table } from "./markdown.ts";
import { wordWrap } from "./word-wrap.ts";

/** A JSON Schema (draft 7) as values.schema.json uses it. */
export interface ValuesSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly items?: ValuesSchema;
  readonly properties?: Readonly<Record<string, ValuesSchema>>;
}

const HEAD = `# Generated from values.schema.json by \`npm run generate\`. Do not edit: copy what you change into a file of your own.
`;

/**
 * Makes values.yaml, with the descriptions as comments. A property without default and properties is left out.
 * Throws an Error if one has no description.
 */
export function valuesYaml(schema: ValuesSchema): string {
  return `${HEAD}${lines(schema, 0).join("\n")}\n`;
}

function lines(schema: ValuesSchema, depth: number): string[] {
  const indent = "  ".repeat(depth);
  return entries(schema).flatMap(([name, child]) => {
    const comments = wordWrap(describe(name, child), 118 - indent.length).map((line) => `${indent}# ${line}`);
    const separator = depth === 0 ? [""] : [];
    if (child.properties !== undefined)
      return [...separator, ...comments, `${indent}${name}:`, ...lines(child, depth + 1)];
    const value = dump({ [name]: child.default }, { lineWidth: -1, quoteStyle: "double" }).trimEnd();
    return [...separator, ...comments, ...value.split("\n").map((line) => `${indent}${line}`)];
  });
}

/** Makes the table of all values for the chart's README. */
export function valuesTable(schema: ValuesSchema): string {
  const rows = (parent: ValuesSchema, prefix: string): string[][] =>
    entries(parent).flatMap(([name, child]) =>
      child.properties === undefined
        ? [[code(`${prefix}${name}`), typeText(child), code(child.default), describe(name, child)]]
        : rows(child, `${prefix}${name}.`),
    );
  return table(["Value", "Type", "Default", "What it is"], rows(schema, ""));
}

function entries(schema: ValuesSchema): [string, ValuesSchema][] {
  return Object.entries(schema.properties ?? {}).filter(
    ([, child]) => child.default !== undefined || child.properties !== undefined,
  );
}

function describe(name: string, schema: ValuesSchema): string {
  if (schema.description === undefined) throw new Error(`values.schema.json: ${name} has no description`);
  return schema.enum === undefined ? schema.description : `${schema.description} One of ${schema.enum.join(", ")}.`;
}

function typeText(schema: ValuesSchema): string {
  if (schema.type === "array") return `list of ${schema.items?.type ?? "any"}s`;
  if (schema.minimum !== undefined && schema.maximum !== undefined)
    return `${schema.type} ${schema.minimum} to ${schema.maximum}`;
  return schema.type ?? "any";
}
