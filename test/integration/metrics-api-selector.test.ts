import * as fc from "fast-check";
import { beforeAll, expect, inject, test } from "vitest";
import { matchesLabels, parseLabelSelector } from "../../operator/metrics-api/label-selector.ts";
import { runCount } from "../fixtures/run-count.ts";
import { accessOf, apply, createNamespace, send } from "./cluster-access.ts";

const access = accessOf(inject("kubeconfig"));
const COLLECTION = "/api/v1/namespaces/label-selectors/configmaps";

/** Labels of objects that the API server has, too. */
const OBJECTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  a: { app: "digits", size: "10", tier: "" },
  b: { app: "iris", size: "9" },
  c: { app: "digits", tier: "gpu", "x.io/y": "1" },
  d: { in: "a", notin: "b" },
};

beforeAll(async () => {
  await createNamespace(access, "label-selectors");
  for (const [name, labels] of Object.entries(OBJECTS)) {
    const metadata = { name, labels: { ...labels, trial: "yes" } };
    const { causes } = await apply(access, `${COLLECTION}/${name}`, { apiVersion: "v1", kind: "ConfigMap", metadata });
    if (causes.length > 0) throw new Error(`cannot make ${name}: ${JSON.stringify(causes)}`);
  }
});

/** The names that match, or that the selector is none. */
async function byApiServer(selector: string): Promise<readonly string[] | "refused"> {
  const { status, body } = await send(access, "GET", `${COLLECTION}?labelSelector=${encodeURIComponent(selector)}`);
  if (status === 400) return "refused";
  expect(status).toBe(200);
  const { items } = body as { items: readonly { metadata: { name: string } }[] };
  return items.map(({ metadata }) => metadata.name).filter((name) => Object.hasOwn(OBJECTS, name));
}

function byUs(selector: string): readonly string[] | "refused" {
  const parsed = parseLabelSelector(selector);
  if (parsed.kind === "error") return "refused";
  return Object.keys(OBJECTS).filter((name) => matchesLabels(parsed.requirements, OBJECTS[name] ?? {}));
}

const word = fc.constantFrom(
  "app",
  "size",
  "tier",
  "x.io/y",
  "in",
  "notin",
  "digits",
  "gpu",
  "10",
  "9",
  "a",
  "-a",
  "a_",
);
const symbol = fc.constantFrom("=", "==", "!=", "!", "(", ")", ",", ",", ">", "<", " ", " in ", " notin ");
const tokens = fc.array(fc.oneof(word, symbol), { maxLength: 9 }).map((all) => all.join(""));
const list = fc
  .tuple(word, fc.constantFrom("in", "notin"), fc.array(fc.oneof(word, fc.constant(",")), { maxLength: 5 }))
  .map(([key, operator, values]) => `${key} ${operator} (${values.join("")})`);
const requirement = fc.oneof(
  list,
  fc
    .tuple(word, fc.constantFrom("=", "==", "!=", ">", "<"), fc.oneof(word, fc.constant("")))
    .map((all) => all.join("")),
  word,
  word.map((key) => `!${key}`),
);
const selectors = fc.oneof(
  tokens,
  fc.array(requirement, { maxLength: 3 }).map((all) => all.join(",")),
);

test("a selector means what it means to the API server, or nothing to both", async () => {
  await fc.assert(
    fc.asyncProperty(selectors, async (selector) => {
      expect(byUs(selector)).toEqual(await byApiServer(selector));
    }),
    { numRuns: runCount(600) },
  );
});
