import { describe, expect, test } from "vitest";
import { apiReference } from "../../../build/generate/api-reference.ts";
import { valuesTable, valuesYaml, type ValuesSchema } from "../../../build/generate/chart-values.ts";
import { parseCustomResourceDefinition } from "../../../build/generate/crd.ts";
import { installYaml } from "../../../build/generate/install-manifest.ts";
import { cell, code, replaceSection, table } from "../../../build/generate/markdown.ts";
import {
  configurationReference,
  errorsReference,
  metricsReference,
  reasonsReference,
} from "../../../build/generate/table-references.ts";
import { integer, text } from "../../../common/environment.ts";

const CRD = `
kind: CustomResourceDefinition
spec:
  group: example.dev
  names: { kind: Thing, plural: things, shortNames: [th] }
  versions:
    - name: v1
      additionalPrinterColumns: [{ name: URL, jsonPath: .status.url, type: string, description: Where. }]
      schema:
        openAPIV3Schema:
          type: object
          description: A thing.
          x-kubernetes-validations: [{ rule: "false", message: bad name }]
          properties:
            spec:
              type: object
              description: What is wanted.
              required: [size]
              x-kubernetes-validations: [{ rule: "false", fieldPath: .size, message: too | big }]
              properties:
                size: { type: integer, minimum: 1, maximum: 9, default: 3, description: How big. }
                colour: { type: string, enum: [red, green], maxLength: 5 }
                tags:
                  type: array
                  minItems: 1
                  maxItems: 4
                  x-kubernetes-list-type: set
                  items: { type: string, pattern: "^a|b$", x-kubernetes-validations: [{ message: bad tag }] }
                inner: &inner
                  type: object
                  properties: { deep: { type: string, x-kubernetes-validations: [{ message: too deep }] } }
                other: *inner
`;

describe("the API reference", () => {
  const page = apiReference(parseCustomResourceDefinition(CRD), "crd.yaml");
  const section = page.slice(page.indexOf("### `spec`"), page.indexOf("### `spec.inner`"));

  test("has every field with type, default and limits", () => {
    expect(section).toContain("| **`size`** | integer | `3` | How big. From 1 to 9. |");
    expect(section).toContain("| `colour` | `red` or `green` |  | At most 5 characters. |");
    expect(section).toContain(
      "| `tags` | list of strings |  | From 1 to 4 entries. No value twice. Matches `^a\\|b$`. |",
    );
  });

  test("links an object that is used twice to its one section", () => {
    expect(section).toContain("| `inner` | [object](#specinner) |");
    expect(section).toContain("| `other` | [object](#specinner) |");
    expect(page.match(/^### /gm)).toHaveLength(2);
  });

  test("has the message of every rule once, beside its field", () => {
    expect(page).toContain("- `metadata.name`: bad name");
    expect(section).toContain("- `spec.size`: too | big");
    expect(section).toContain("- `spec.tags[]`: bad tag");
    expect(section).not.toContain("too deep");
    expect(page.match(/too deep/g)).toHaveLength(1);
  });

  test("says where it comes from, and names the columns", () => {
    expect(page).toMatch(/^<!-- Generated from crd.yaml by `npm run generate`. Do not edit. -->\n/);
    expect(page).toContain("| URL | `.status.url` | Where. |");
  });
});

describe("the pages of tables", () => {
  test("configuration", () => {
    const page = configurationReference(
      { NEEDED: text(undefined, "A word.") },
      { SIZE: integer(3, "A size.", { min: 1, max: 9 }), EMPTY: text("", "Nothing.") },
    );
    expect(page).toContain("| `NEEDED` | required | A word. |");
    expect(page).toContain("| `SIZE` | `3` | A size. |");
    expect(page).toContain('| `EMPTY` | `""` | Nothing. |');
  });

  test("reasons, each with an address and what to do", () => {
    const page = reasonsReference({
      replica: { Broken: { meaning: "It broke.", remedy: "Mend it.", retried: true } },
      operator: { Lost: { meaning: "It is lost.", remedy: "Find it." } },
      states: { Fine: { meaning: "It works.", remedy: "Nothing." } },
    });
    expect(page).toContain("### Broken\n\nIt broke.\n\n**Do:** Mend it.\n\nThe replica tries again by itself.\n");
    expect(page).toContain("### Lost\n\nIt is lost.\n\n**Do:** Find it.\n\n##");
    expect(page).toContain("| `Fine` | It works. | Nothing. |");
  });

  test("errors, by status", () => {
    const page = errorsReference({
      Late: { http: 504, grpc: 4, doc: "Too late." },
      Bad: { http: 400, grpc: 3, doc: "Not good." },
    });
    expect(page.indexOf("| 400 | `Bad` | Not good. |")).toBeGreaterThan(0);
    expect(page.indexOf("| 504 |")).toBeGreaterThan(page.indexOf("| 400 |"));
  });

  test("metrics", () => {
    const metric = { name: "a_total", type: "counter", help: "How many.", labels: ["x", "y"] };
    expect(metricsReference([], [metric])).toContain("| `a_total` | counter | `x`, `y` | How many. |");
  });
});

describe("the chart's values", () => {
  const schema: ValuesSchema = {
    properties: {
      global: { description: "Not ours." },
      size: { type: "integer", minimum: 0, maximum: 9, default: 3, description: "How big." },
      group: {
        description: "A group.",
        properties: {
          level: { type: "string", enum: ["low", "high"], default: "", description: "How much." },
          list: { type: "array", items: { type: "object" }, default: [{ a: 1 }], description: "What else." },
        },
      },
    },
  };

  test("become a file with comments", () => {
    expect(valuesYaml(schema)).toContain(`
# How big.
size: 3

# A group.
group:
  # How much. One of low, high.
  level: ""
  # What else.
  list:
    - a: 1
`);
  });

  test("become a table", () => {
    expect(valuesTable(schema).split("\n").slice(2)).toEqual([
      "| `size` | integer 0 to 9 | `3` | How big. |",
      '| `group.level` | string | `""` | How much. One of low, high. |',
      '| `group.list` | list of objects | `[{"a":1}]` | What else. |',
    ]);
  });

  test("need descriptions", () => {
    expect(() => valuesYaml({ properties: { a: { default: 1 } } })).toThrow("a has no description");
  });
});

describe("Markdown", () => {
  test("cells cannot break a table", () => {
    expect(cell("a | b\n  c")).toBe("a \\| b<br>c");
    expect(table(["H"], [["a|b"]])).toBe("| H |\n| --- |\n| a\\|b |");
  });

  test.each<[unknown, string]>([
    [undefined, ""],
    ["", '`""`'],
    ["word", "`word`"],
    [false, "`false`"],
    ["a`b", "`` a`b ``"],
  ])("code %j", (value, expected) => {
    expect(code(value)).toBe(expected);
  });

  test("a section is replaced, and nothing else", () => {
    const page = "before\n<!-- x: start -->\nold\n<!-- x: end -->\nafter\n";
    const replaced = replaceSection(page, "x", "new");
    expect(replaced).toBe("before\n<!-- x: start -->\n\nnew\n\n<!-- x: end -->\nafter\n");
    expect(replaceSection(replaced, "x", "new")).toBe(replaced);
    expect(() => replaceSection(page, "y", "new")).toThrow("expected <!-- y: start -->");
  });
});

test("install.yaml begins with its namespace and has no label of Helm's", () => {
  const rendered = `---
# Source: lockstep/templates/a.yaml
kind: ServiceAccount
metadata:
  labels:
    helm.sh/chart: lockstep-0.1.0
    app.kubernetes.io/name: a
    app.kubernetes.io/managed-by: Helm
`;
  const own = "---\nkind: ServiceAccount\nmetadata:\n  labels:\n    app.kubernetes.io/name: a\n";
  const manifest = installYaml(rendered, "somewhere");
  expect(manifest).toMatch(/kind: Namespace\nmetadata:\n {2}name: somewhere\n/);
  expect(manifest.endsWith(own)).toBe(true);
});
