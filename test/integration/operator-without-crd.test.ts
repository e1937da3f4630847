import { readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { readOperatorConfig } from "../../operator/config.ts";
import { loadConnection } from "../../operator/kube/connection.ts";
import { startOperator, type Operator } from "../../operator/operator.ts";
import { callApi } from "./api-access.ts";
import { startControlPlane, type ControlPlane } from "./control-plane.ts";
import { apply } from "./cluster-access.ts";
import { applyCrd } from "./global-setup.ts";

const CRD_FILE = path.join(import.meta.dirname, "../../crds/inferenceservices.yaml");
const CRD = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/inferenceservices.serving.lockstep.dev";
const WITHIN = { timeout: 30_000, interval: 100 };

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly collection?: string;
  readonly err?: { readonly message: string };
  readonly found?: number;
  readonly expected?: number;
}

let controlPlane: ControlPlane;
const operators: Operator[] = [];
beforeAll(async () => {
  controlPlane = await startControlPlane();
});
afterAll(async () => {
  await Promise.all(operators.map((operator) => operator.stop()));
  await controlPlane.stop();
});

async function start(lines: Line[]): Promise<Operator> {
  const operator = await startOperator({
    config: readOperatorConfig({
      LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
      LOCKSTEP_LEADER_ELECTION: "false",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_CONSOLE_PORT: "-1",
    }),
    connection: loadConnection({ kubeconfigFile: controlPlane.kubeconfig }),
    logger: createLogger({
      name: "operator",
      level: "info",
      destination: { write: (line) => lines.push(JSON.parse(line) as Line) },
    }),
    onLost: () => {},
  });
  operators.push(operator);
  return operator;
}

/** The CustomResourceDefinition as a client stores it that does not know rules. */
function withoutRules(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutRules);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== "x-kubernetes-validations")
      .map(([name, child]) => [name, withoutRules(child)]),
  );
}

test("an operator says what is missing, waits for it, and says if it is not whole", async () => {
  const lines: Line[] = [];
  const operator = await start(lines);
  await vi.waitFor(() => {
    const complaint = lines.find(({ collection }) => collection === "inferenceservices");
    expect(complaint).toMatchObject({
      level: "warn",
      err: {
        message:
          "the API server does not know InferenceService of serving.lockstep.dev/v1alpha1: " +
          "install the CustomResourceDefinition inferenceservices.serving.lockstep.dev",
      },
    });
  }, WITHIN);
  const readiness = await fetch(`http://127.0.0.1:${operator.port}/readyz`);
  expect([readiness.status, await readiness.text()]).toEqual([
    503,
    "the view of these kinds is not up to date: InferenceService\n",
  ]);

  const mutilated = withoutRules(load(readFileSync(CRD_FILE, "utf8")));
  expect((await apply(controlPlane.access, CRD, mutilated)).causes).toEqual([]);
  await operator.leading;
  await vi.waitFor(async () => {
    expect((await fetch(`http://127.0.0.1:${operator.port}/readyz`)).status).toBe(200);
    expect(lines.filter(({ msg }) => msg.includes("lacks validation rules"))).toMatchObject([
      { level: "warn", found: 0, expected: expect.any(Number) },
    ]);
  }, WITHIN);
  await operator.stop();

  await applyCrd(controlPlane.access);
  const published = `${controlPlane.access.server}/openapi/v3/apis/serving.lockstep.dev/v1alpha1`;
  await vi.waitFor(async () => expect(await publishedText(published)).toContain("x-kubernetes-validations"), WITHIN);
  const later: Line[] = [];
  await (
    await start(later)
  ).leading;
  expect(later.map(({ msg }) => msg)).toEqual(["reconciling"]);
});

async function publishedText(url: string): Promise<string> {
  return (await callApi(controlPlane.access, "GET", url)).body;
}
