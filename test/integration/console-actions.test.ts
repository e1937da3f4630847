import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import { eventually } from "../eventually.ts";
import { startBrowser } from "../programs/browser.ts";
import { accessOf, apply, send } from "./cluster-access.ts";
import { manifest, openSandbox, type Sandbox } from "./operator-under-test.ts";

/** What people do by the console of a real operator, with tokens of real service accounts, against a real API server. */
const access = accessOf(inject("kubeconfig"));
const WITHIN = { withinMs: 15_000, everyMs: 100 };
const RBAC = "/apis/rbac.authorization.k8s.io/v1";

let sandbox: Sandbox;
let browser: Browser;
let url: string;
let closedUrl: string;
const tokens = { editor: "", viewer: "", stranger: "" };

/** A service account with rights in the sandbox, and a token of it. */
async function person(name: string, verbs: readonly string[]): Promise<string> {
  const { namespace } = sandbox;
  const metadata = { name, namespace };
  await send(access, "POST", `/api/v1/namespaces/${namespace}/serviceaccounts`, { metadata });
  if (verbs.length > 0) {
    const rules = [{ apiGroups: ["serving.lockstep.dev"], resources: ["inferenceservices"], verbs }];
    const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name };
    const subjects = [{ kind: "ServiceAccount", name, namespace }];
    const made = await Promise.all([
      apply(access, `${RBAC}/namespaces/${namespace}/roles/${name}`, {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "Role",
        metadata,
        rules,
      }),
      apply(access, `${RBAC}/namespaces/${namespace}/rolebindings/${name}`, {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata,
        roleRef,
        subjects,
      }),
    ]);
    expect(made.map(({ status }) => status)).toEqual([201, 201]);
  }
  const asked = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
  const { status, body } = await send(access, "POST", asked, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: { expirationSeconds: 3600 },
  });
  expect(status).toBe(201);
  return (body as { status: { token: string } }).status.token;
}

beforeAll(async () => {
  sandbox = await openSandbox("console");
  await sandbox.create(RESOURCES.inferenceServices, manifest("digits"));
  const environment = { LOCKSTEP_CONSOLE_PORT: "0" };
  const [operator, closed] = await Promise.all([
    sandbox.operator({ environment }),
    sandbox.operator({ environment: { ...environment, LOCKSTEP_CONSOLE_REQUIRE_TOKEN: "true" } }),
  ]);
  url = `http://127.0.0.1:${operator.consolePort}`;
  closedUrl = `http://127.0.0.1:${closed.consolePort}`;
  await eventually("a first status", async () => (await read()).status?.conditions?.length, WITHIN);
  tokens.editor = await person("editor", ["get", "list", "patch"]);
  tokens.viewer = await person("viewer", ["get", "list"]);
  tokens.stranger = await person("stranger", []);
  browser = await startBrowser();
});
afterAll(async () => {
  await browser.close();
  await sandbox.close();
});

function path(): string {
  return `/api/v1/inferenceservices/${sandbox.namespace}/digits`;
}

async function act(token: string, action: object): Promise<{ status: number; text: string }> {
  const answer = await fetch(`${url}${path()}/actions`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(action),
  });
  return { status: answer.status, text: await answer.text() };
}

async function read(): Promise<InferenceService & KubeObject> {
  const found = await sandbox.read<InferenceService & KubeObject>(RESOURCES.inferenceServices, "digits");
  if (found === undefined) throw new Error("digits is gone");
  return found;
}

describe("with the rights of whoever acts", () => {
  test("an editor pins a version, scales, stops and starts", async () => {
    expect(await act(tokens.editor, { action: "pin", version: 3 })).toMatchObject({ status: 200 });
    expect((await read()).spec.predictor).toMatchObject({
      model: { storageUri: "s3://models/digits", versionPolicy: { specific: { versions: [3] } } },
    });
    expect(await act(tokens.editor, { action: "scale", minReplicas: 2, maxReplicas: 4 })).toMatchObject({
      status: 200,
    });
    expect((await read()).spec.predictor).toMatchObject({ minReplicas: 2, maxReplicas: 4 });
    expect(await act(tokens.editor, { action: "scale", minReplicas: 1, maxReplicas: null })).toMatchObject({
      status: 200,
    });
    expect((await read()).spec.predictor).not.toHaveProperty("maxReplicas");
    expect(await act(tokens.editor, { action: "stop" })).toMatchObject({ status: 200 });
    expect((await read()).spec.stop).toBe(true);
    expect(await act(tokens.editor, { action: "start" })).toMatchObject({ status: 200 });
    expect((await read()).spec.stop).toBe(false);
    expect(await act(tokens.editor, { action: "relearn" })).toMatchObject({ status: 200 });
    const { annotations } = (await read()).metadata;
    expect(Date.parse(annotations?.["serving.lockstep.dev/relearn-drift"] ?? "")).toBeGreaterThan(0);
    const managers = (await read()).metadata.managedFields?.map(({ manager }) => manager);
    expect(managers).toContain("lockstep-console");
  });

  test("a viewer and a stranger are refused by the API server, which names them", async () => {
    const before = await read();
    for (const name of ["viewer", "stranger"] as const) {
      const { status, text } = await act(tokens[name], { action: "stop" });
      expect(status).toBe(403);
      expect(text).toContain(`system:serviceaccount:${sandbox.namespace}:${name}`);
    }
    const { status, text } = await act("nonsense", { action: "stop" });
    expect(status).toBe(401);
    expect(text).toContain("does not know this token");
    expect((await read()).spec).toEqual(before.spec);
  });

  test("what the schema refuses is told in the API server's words", async () => {
    const { status, text } = await act(tokens.editor, { action: "scale", minReplicas: 5, maxReplicas: 2 });
    expect(status).toBe(422);
    expect(text).toContain("maxReplicas must not be below minReplicas");
  });
});

describe("a console that wants a token to be read", () => {
  const get = async (token: string | undefined, of: string): Promise<{ status: number; text: string }> => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const answer = await fetch(`${closedUrl}${of}`, { headers });
    return { status: answer.status, text: await answer.text() };
  };

  test("asks the API server whether the token may list", async () => {
    expect((await get(undefined, path())).status).toBe(401);
    expect((await get("nonsense", path())).status).toBe(401);
    expect((await get(tokens.stranger, path())).status).toBe(403);
    expect((await get(tokens.viewer, path())).status).toBe(200);
    const list = "/api/v1/inferenceservices";
    expect(JSON.parse((await get(tokens.stranger, list)).text)).toMatchObject({ services: [] });
    expect(JSON.parse((await get(tokens.viewer, list)).text)).toMatchObject({ services: [{ name: "digits" }] });
    expect(JSON.parse((await get(access.token, list)).text)).toMatchObject({ services: [{ name: "digits" }] });
  });
});

describe("in the browser", () => {
  let page: Page;
  beforeAll(async () => {
    page = await browser.newPage();
    page.setDefaultTimeout(WITHIN.withinMs);
    await page.goto(`${url}/#/services/${sandbox.namespace}/digits`);
  });
  afterAll(async () => page.close());

  test("a dialog says what will happen, and it happens when it is confirmed", async () => {
    await page.getByRole("button", { name: "Scale…" }).click();
    const dialog = page.getByRole("dialog");
    // Nobody is asked anything before there is a token.
    await dialog.getByLabel("Token of the cluster").fill(tokens.viewer);
    await page.keyboard.press("Enter");
    await dialog.getByLabel("At least").fill("3");
    await dialog.getByLabel("At most").fill("2");
    expect(await dialog.getByRole("button", { name: "Scale" }).isDisabled()).toBe(true);
    await dialog.getByLabel("At most").fill("6");
    await dialog.getByText("The replicas of digits will be 3 to 6, as the load needs.").waitFor();
    await page.keyboard.press("Enter");
    await dialog.getByRole("alert").getByText("Your token does not allow this.").waitFor();
    expect((await read()).spec.predictor.minReplicas).toBe(1);
    await dialog.getByRole("button", { name: "Use another token" }).click();
    await dialog.getByLabel("Token of the cluster").fill(tokens.editor);
    await page.keyboard.press("Enter");
    await dialog.getByRole("button", { name: "Scale" }).click();
    await page.getByText("digits is asked for 3 to 6 replicas.").waitFor();
    expect(await dialog.count()).toBe(0);
    expect((await read()).spec.predictor).toMatchObject({ minReplicas: 3, maxReplicas: 6 });
  });

  test("a dialog that is closed does nothing", async () => {
    await page.getByRole("button", { name: "Stop…" }).click();
    await page.getByRole("dialog").getByText("Requests are then refused").waitFor();
    await page.keyboard.press("Escape");
    await eventually(
      "the dialog is gone",
      async () => (await page.getByRole("dialog").count()) === 0 || undefined,
      WITHIN,
    );
    expect((await read()).spec.stop).toBe(false);
  });

  test("a version is pinned, and the history tells of the wish for other replicas", async () => {
    await page.getByRole("button", { name: "Pin a version…" }).click();
    await page.getByLabel("Version", { exact: true }).fill("9");
    await page.getByText("The version policy becomes specific: [9]").waitFor();
    await page.getByRole("button", { name: "Pin version 9" }).click();
    await page.getByText("digits is pinned to version 9").waitFor();
    expect((await read()).spec.predictor.model?.versionPolicy?.specific?.versions).toEqual([9]);
    await page.getByRole("link", { name: "History" }).click();
    await page.getByText("Replicas asked for: 3 to 6, before 1").waitFor();
  });
});
