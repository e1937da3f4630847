import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { loadAll } from "js-yaml";
import { beforeAll, describe, expect, inject, test } from "vitest";
import { CHART, only, render, type Manifest } from "../programs/chart.ts";
import { accessOf, apply, createNamespace, send, type Answer } from "./cluster-access.ts";

const access = accessOf(inject("kubeconfig"));
const NAMESPACE = "lockstep-system";
/** Kinds of objects in other people's CustomResourceDefinitions, which the API server of the tests does not have. */
const FOREIGN = new Set(["ServiceMonitor", "PodMonitor", "PrometheusRule"]);

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const discovered = new Map<string, readonly ApiResource[]>();

async function resourcePath({ apiVersion, kind, metadata }: Manifest): Promise<string> {
  const root = `/${apiVersion.includes("/") ? "apis" : "api"}/${apiVersion}`;
  const resources =
    discovered.get(root) ?? ((await send(access, "GET", root)).body as { resources: readonly ApiResource[] }).resources;
  discovered.set(root, resources);
  const resource = resources.find((each) => each.kind === kind && !each.name.includes("/"));
  if (resource === undefined) throw new Error(`the API server has no ${apiVersion} ${kind}`);
  const namespace = resource.namespaced ? `/namespaces/${metadata.namespace}` : "";
  return `${root}${namespace}/${resource.name}/${metadata.name}`;
}

async function applyManifest(manifest: Manifest, dryRun = false): Promise<Answer> {
  return apply(access, await resourcePath(manifest), manifest, { dryRun });
}

beforeAll(async () => {
  await createNamespace(access, NAMESPACE, { "pod-security.kubernetes.io/enforce": "restricted" });
  await createNamespace(access, "team-a");
  await createNamespace(access, "team-b");
  for (const manifest of await render({ set: { "crds.enabled": "false" } })) {
    if (["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].includes(manifest.kind))
      await applyManifest(manifest);
  }
});

describe("the API server takes every object of", () => {
  const valueSets = readdirSync(path.join(CHART, "ci")).map((file) => path.join(CHART, "ci", file));

  test.each(["values.yaml", ...valueSets.map((file) => path.relative(CHART, file))])("%s", async (file) => {
    // The service account that the minimal values expect is there only for this.
    const manifests = await render({
      valuesFiles: [path.join(CHART, file)],
      set: { "serviceAccount.name": "lockstep" },
    });
    for (const manifest of manifests.filter((each) => !FOREIGN.has(each.kind))) {
      const { status, causes } = await applyManifest(manifest, true);
      expect({ kind: manifest.kind, name: manifest.metadata.name, causes }).toMatchObject({ causes: [] });
      expect([200, 201]).toContain(status);
    }
  });

  test("install.yaml", async () => {
    const text = readFileSync(path.join(CHART, "../../install.yaml"), "utf8");
    const manifests = loadAll(text) as readonly Manifest[];
    expect(manifests[0]).toMatchObject({ kind: "Namespace", metadata: { name: NAMESPACE } });
    for (const manifest of manifests) expect((await applyManifest(manifest, true)).causes).toEqual([]);
  });
});

describe("a namespace that enforces Pod Security's strictest profile", () => {
  type PodTemplate = { readonly spec: Record<string, unknown> & { readonly containers: readonly object[] } };

  async function create(spec: unknown): Promise<Answer> {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "operator" }, spec };
    return send(access, "POST", `/api/v1/namespaces/${NAMESPACE}/pods?dryRun=All`, pod);
  }

  test("admits the operator and `helm test`", async () => {
    const manifests = await render();
    const { template } = only(manifests, "Deployment")["spec"] as { template: PodTemplate };
    expect((await create(template.spec)).causes).toEqual([]);
    expect((await create(only(manifests, "Pod")["spec"])).causes).toEqual([]);
  });

  test("would refuse the operator without its security context", async () => {
    const { template } = only(await render(), "Deployment")["spec"] as { template: PodTemplate };
    const { securityContext: _, ...spec } = template.spec;
    expect((await create(spec)).status).toBe(403);
  });
});
