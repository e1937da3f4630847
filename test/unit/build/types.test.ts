import { describe, expect, test } from "vitest";
import { parseCustomResourceDefinition } from "../../../build/generate/crd.ts";
import { typeDeclarations } from "../../../build/generate/types.ts";

function crd(properties: string): string {
  return `
kind: CustomResourceDefinition
spec:
  group: example.dev
  names: { kind: Thing, plural: things, shortNames: [th] }
  versions:
    - name: v1
      schema:
        openAPIV3Schema:
          description: A thing.
          type: object
          required: [spec]
          properties:
            metadata: { type: object }
            spec:
              type: object
              description: What is wanted.
              required: [needed]
              properties:
${properties.replaceAll(/^/gm, "                ")}
`;
}

/** The lines of one declaration. */
function declared(properties: string, name = "ThingSpec", typeNames: Record<string, string> = {}): string {
  const source = typeDeclarations(parseCustomResourceDefinition(crd(properties)), { spec: "ThingSpec", ...typeNames });
  const found = new RegExp(`export (interface|type) ${name}\\b[^]*?\\n(\\n|$)`).exec(source)?.[0];
  if (found === undefined) throw new Error(`no declaration of ${name} in:\n${source}`);
  return found.trim();
}

describe("a field", () => {
  test.each<[words: string, schema: string, field: string]>([
    ["that is required", "needed: { type: string }", "readonly needed: string;"],
    ["that may be missing", "a: { type: integer }", "readonly a?: number;"],
    ["with a default is always there", "a: { type: boolean, default: false }", "readonly a: boolean;"],
    ["with a few words", 'a: { type: string, enum: [x, "True"] }', 'readonly a?: "x" | "True";'],
    ["with a list of words", "a: { type: array, items: { enum: [x, y] } }", 'readonly a?: readonly ("x" | "y")[];'],
    ["with numbers", "a: { type: array, items: { type: integer } }", "readonly a?: readonly number[];"],
    [
      "with a map",
      "a: { type: object, additionalProperties: { type: string } }",
      "readonly a?: Readonly<Record<string, string>>;",
    ],
    [
      "with anything",
      "a: { type: object, x-kubernetes-preserve-unknown-fields: true }",
      "readonly a?: Readonly<Record<string, unknown>>;",
    ],
    ["with a quantity", "a: { anyOf: [], x-kubernetes-int-or-string: true }", "readonly a?: string | number;"],
  ])("%s", (_words, schema, field) => {
    expect(declared(schema)).toContain(`  ${field}\n`);
  });

  test("carries its description, broken into lines", () => {
    const description = "word ".repeat(40).trim();
    expect(declared(`a: { type: string, description: Short. }\nb: { type: string, description: ${description} }`)).toBe(
      `export interface ThingSpec {
  /** Short. */
  readonly a?: string;
  /**
   * ${"word ".repeat(23).trim()}
   * ${"word ".repeat(17).trim()}
   */
  readonly b?: string;
}`,
    );
  });

  test("cannot end a comment", () => {
    expect(declared('a: { type: string, description: "a */ b" }')).toContain("/** a *\\/ b */");
  });
});

describe("an object", () => {
  test("that is shared by an alias has one type", () => {
    const schema = "a: &shared { type: object, properties: { x: { type: string } } }\nb: *shared";
    const spec = declared(schema, "ThingSpec", { "spec.a": "Shared" });
    expect(spec).toContain("readonly a?: Shared;");
    expect(spec).toContain("readonly b?: Shared;");
  });

  test("without fields is empty", () => {
    const schema = "all: { type: object, description: All. }";
    expect(declared(schema, "All", { "spec.all": "All" })).toContain("type All = Readonly<Record<string, never>>;");
  });

  test("without a name is refused", () => {
    expect(() => declared("a: { type: object, properties: {} }")).toThrow("spec.a needs a name");
  });

  test("that is gone leaves no name behind", () => {
    expect(() => declared("a: { type: string }", "ThingSpec", { "spec.gone": "Gone" })).toThrow("spec.gone");
  });
});

test("the root knows its kind and has the fields of every object", () => {
  const source = typeDeclarations(parseCustomResourceDefinition(crd("a: { type: string }")), { spec: "ThingSpec" });
  expect(source).toContain('apiVersion: "example.dev/v1"');
  expect(source).toContain("export interface Thing {\n  readonly apiVersion: typeof INFERENCE_SERVICE.apiVersion;");
  expect(source).toContain("readonly metadata: ObjectMeta;\n  readonly spec: ThingSpec;\n}");
});

describe("what is no CustomResourceDefinition with one version", () => {
  test.each([
    ["kind: Pod", "got kind Pod"],
    ["", "the input is empty"],
    ["kind: CustomResourceDefinition\nspec: { names: {}, versions: [{}, {}] }", "expected one version, got 2"],
  ])("%j", (yaml, message) => {
    expect(() => parseCustomResourceDefinition(yaml)).toThrow(message);
  });
});
