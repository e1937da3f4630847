import { readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { load } from "js-yaml";
import { describe, expect, test } from "vitest";
import { installYaml } from "../../build/generate/install-manifest.ts";
import { INFERENCE_SERVICE } from "../../common/inferenceservice.gen.ts";
import { OPERATOR_VARIABLES, readOperatorConfig } from "../../operator/config.ts";
import { CHART, only, render, renderText, type Manifest } from "../programs/chart.ts";
import { provideHelm } from "../programs/helm.ts";
import { runProgram } from "../programs/run-program.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const VALUE_SETS = readdirSync(path.join(CHART, "ci")).map((file) => path.join(CHART, "ci", file));
const valuesFile = (name: string) => path.join(CHART, "ci", `${name}-values.yaml`);

interface OperatorContainer {
  readonly image: string;
  readonly env: readonly { readonly name: string; readonly value?: string }[];
}

function operatorContainer(manifests: readonly Manifest[]): OperatorContainer {
  const deployment = only(manifests, "Deployment") as Manifest & {
    readonly spec: { readonly template: { readonly spec: { readonly containers: readonly [OperatorContainer] } } };
  };
  return deployment.spec.template.spec.containers[0];
}

function environmentOf(manifests: readonly Manifest[]): Record<string, string> {
  return Object.fromEntries(operatorContainer(manifests).env.map(({ name, value }) => [name, value ?? "from-a-field"]));
}

const kinds = (manifests: readonly Manifest[]) => manifests.map((each) => each.kind).toSorted();

describe("helm lint", () => {
  test.each([["values.yaml"], ...VALUE_SETS.map((file) => [path.relative(CHART, file)])])("takes %s", async (file) => {
    const helm = await provideHelm();
    const { status, stdout } = await runProgram([helm, "lint", "--strict", CHART, "--values", path.join(CHART, file)]);
    expect(stdout).toContain("1 chart(s) linted, 0 chart(s) failed");
    expect(status).toBe(0);
  });
});

describe("the objects", () => {
  test("of a plain installation", async () => {
    expect(kinds(await render())).toEqual([
      "APIService",
      "APIService",
      "ClusterRole",
      "ClusterRole",
      "ClusterRole",
      "ClusterRole",
      "ClusterRoleBinding",
      "ClusterRoleBinding",
      "CustomResourceDefinition",
      "Deployment",
      "Pod",
      "PodDisruptionBudget",
      "Role",
      "RoleBinding",
      "RoleBinding",
      "Service",
      "Service",
      "ServiceAccount",
    ]);
  });

  test("of one with every option", async () => {
    expect(kinds(await render({ valuesFiles: [valuesFile("full")] }))).toEqual(
      expect.arrayContaining(["NetworkPolicy", "PodMonitor", "ServiceMonitor"]),
    );
  });

  test("of one whose surroundings are made by others", async () => {
    expect(kinds(await render({ valuesFiles: [valuesFile("minimal")] }))).toEqual(["Deployment", "Pod", "Service"]);
  });

  test("of one for two namespaces have no right beyond them", async () => {
    const manifests = await render({ valuesFiles: [valuesFile("namespaced")] });
    expect(kinds(manifests)).not.toContain("ClusterRole");
    expect(kinds(manifests)).not.toContain("ClusterRoleBinding");
    const roles = manifests.flatMap((each) => (each.kind === "Role" ? [String(each.metadata.namespace)] : []));
    expect(roles.toSorted((a, b) => a.localeCompare(b))).toEqual(["lockstep-system", "team-a", "team-b"]);
  });

  test.each(VALUE_SETS)("carry the labels that the field expects: %s", async (file) => {
    for (const { metadata } of await render({ valuesFiles: [file] })) {
      expect(metadata.labels).toMatchObject({
        "app.kubernetes.io/name": expect.stringMatching(/^lockstep-/),
        "app.kubernetes.io/instance": "lockstep",
        "app.kubernetes.io/part-of": "lockstep",
      });
    }
  });
});

describe("the CustomResourceDefinition", () => {
  const written = load(readFileSync(path.join(ROOT, "crds/inferenceservices.yaml"), "utf8")) as Manifest;

  test("is the one that was written, and stays when the release goes", async () => {
    const crd = only(await render(), "CustomResourceDefinition");
    expect(crd["spec"]).toEqual(written["spec"]);
    expect(crd.metadata.name).toBe(`${INFERENCE_SERVICE.plural}.${INFERENCE_SERVICE.group}`);
    expect(crd.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
  });

  test("goes with the release when asked", async () => {
    const crd = only(await render({ set: { "crds.keep": "false" } }), "CustomResourceDefinition");
    expect(crd.metadata.annotations).toEqual({});
  });

  test("is in a packaged chart", async () => {
    const helm = await provideHelm();
    const folder = await mkdtemp(path.join(tmpdir(), "lockstep-chart-"));
    try {
      expect((await runProgram([helm, "package", CHART, "--destination", folder])).status).toBe(0);
      const archive = path.join(folder, readdirSync(folder)[0] ?? "nothing was packaged");
      const { stdout } = await runProgram([helm, "template", "a", archive, "--kube-version", "1.34.0"]);
      expect(stdout).toContain(`name: ${written.metadata.name}`);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});

describe("the operator's environment", () => {
  test.each(VALUE_SETS)("is complete and understood: %s", async (file) => {
    const environment = environmentOf(await render({ valuesFiles: [file] }));
    expect(Object.keys(environment)).toEqual(expect.arrayContaining(Object.keys(OPERATOR_VARIABLES)));
    expect(() => readOperatorConfig(environment)).not.toThrow();
    const unknown = Object.keys(environment).filter(
      (name) => name.startsWith("LOCKSTEP_") && !Object.hasOwn(OPERATOR_VARIABLES, name),
    );
    expect(unknown).toEqual([]);
  });

  test("says what the values say", async () => {
    const config = readOperatorConfig(environmentOf(await render({ valuesFiles: [valuesFile("full")] })));
    expect(config).toMatchObject({
      LOCKSTEP_RUNTIME_IMAGE: "registry.example.com/lockstep/runtime:0.1.0-debug",
      LOCKSTEP_RUNTIME_IMAGE_PULL_POLICY: "Never",
      LOCKSTEP_RUNTIME_LOG_LEVEL: "debug",
      LOCKSTEP_RUNTIME_DRAIN_DELAY_MS: 20_000,
      LOCKSTEP_RUNTIME_UI: false,
      LOCKSTEP_ALLOW_HOST_PATH_CACHE: true,
      LOCKSTEP_HOST_PATH_CACHE_PREFIXES: ["/var/cache/lockstep", "/mnt/models"],
      LOCKSTEP_CLUSTER_DOMAIN: "k8s.example.com",
      LOCKSTEP_CONCURRENT_RECONCILES: 8,
      LOCKSTEP_NETWORK_POLICY: false,
      LOCKSTEP_FENCE_TTL_MS: 2_000,
      LOCKSTEP_LOAD_INTERVAL_MS: 2_000,
      LOCKSTEP_LOG_LEVEL: "debug",
      LOCKSTEP_CONSOLE_PORT: 8082,
      LOCKSTEP_CONSOLE_REQUIRE_TOKEN: true,
      LOCKSTEP_CONSOLE_HOSTS: ["console.example.com"],
    });
  });

  test("has the same defaults as the operator itself", async () => {
    const config = readOperatorConfig(environmentOf(await render()));
    const alone = readOperatorConfig({ LOCKSTEP_RUNTIME_IMAGE: config.LOCKSTEP_RUNTIME_IMAGE });
    const ofThePod = { POD_NAME: "", POD_NAMESPACE: "", POD_IP: "", LOCKSTEP_OPERATOR_SERVICE: "" };
    expect({ ...config, ...ofThePod }).toEqual(alone);
  });

  test("names the watched namespaces", async () => {
    const config = readOperatorConfig(environmentOf(await render({ valuesFiles: [valuesFile("namespaced")] })));
    expect(config.LOCKSTEP_WATCH_NAMESPACES).toEqual(["team-a", "team-b"]);
  });
});

describe("the metrics API", () => {
  interface ServicePort {
    readonly name: string;
    readonly port: number;
    readonly targetPort: string;
  }

  test("is reached by the name that the operator has in its certificate", async () => {
    const manifests = await render({ valuesFiles: [valuesFile("full")] });
    const config = readOperatorConfig(environmentOf(manifests));
    const service = only(manifests, "Service", "serving-metrics") as Manifest & {
      readonly spec: { readonly ports: readonly ServicePort[] };
    };
    expect(service.metadata.name).toBe(config.LOCKSTEP_METRICS_API_SERVICE);
    expect(service.spec.ports).toContainEqual({ name: "metrics-api", port: 443, targetPort: "metrics-api" });
    const apiServices = manifests.filter(({ kind }) => kind === "APIService");
    expect(apiServices.map(({ metadata }) => metadata.name)).toEqual([
      "v1beta1.custom.metrics.k8s.io",
      "v1beta2.custom.metrics.k8s.io",
    ]);
    for (const each of apiServices) {
      expect(each["spec"]).toMatchObject({ service: { namespace: "lockstep-system", name: service.metadata.name } });
      // The operator's alone to write: what the chart does not have, Helm leaves as it is.
      expect(each["spec"]).not.toHaveProperty("caBundle");
    }
  });

  test("is left out as a whole, which the operator knows and the notes say", async () => {
    const set = { "metricsApi.enabled": "false", "networkPolicy.enabled": "true" };
    const text = await renderText({ set });
    expect(text).not.toMatch(/apiregistration|metrics-api|kube-system|8443$/m);
    expect(readOperatorConfig(environmentOf(await render({ set })))).toMatchObject({ LOCKSTEP_METRICS_API: false });
  });
});

describe("the console", () => {
  test("has a Service of its own, and only those reach it who are named", async () => {
    const manifests = await render({ valuesFiles: [valuesFile("full")] });
    expect(only(manifests, "Service", "serving-console")["spec"]).toMatchObject({
      type: "ClusterIP",
      ports: [{ name: "console", port: 8082, targetPort: "console" }],
    });
    const { ingress } = only(manifests, "NetworkPolicy")["spec"] as { ingress: readonly unknown[] };
    expect(ingress).toContainEqual({
      ports: [{ port: "console", protocol: "TCP" }],
      from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "ingress" } } }],
    });
    const closed = only(await render({ set: { "networkPolicy.enabled": "true" } }), "NetworkPolicy");
    expect(JSON.stringify(closed["spec"])).not.toContain("console");
  });

  test("is left out as a whole", async () => {
    const set = { "console.enabled": "false", "networkPolicy.enabled": "true" };
    expect(await renderText({ set, skipTests: true })).not.toMatch(/-console|port: console|name: console/);
    expect(readOperatorConfig(environmentOf(await render({ set })))).toMatchObject({ LOCKSTEP_CONSOLE_PORT: -1 });
  });
});

describe("what watches Lockstep", () => {
  interface Rule {
    readonly alert?: string;
    readonly record?: string;
    readonly expr: string;
    readonly for?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  }
  interface Groups {
    readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
  }
  const plain = load(readFileSync(path.join(ROOT, "examples/monitoring/rules.yaml"), "utf8")) as Groups;
  const specOf = (manifests: readonly Manifest[]) =>
    (only(manifests, "PrometheusRule") as Manifest & { readonly spec: Groups }).spec;

  test("is left out by default, because clusters may not have what it needs", async () => {
    const text = await renderText();
    expect(text).not.toMatch(/monitoring\.coreos\.com|grafana/);
  });

  test("is the same rules as those for Prometheus alone", async () => {
    const manifests = await render({ set: { "monitoring.prometheusRule.enabled": "true" } });
    expect(only(manifests, "PrometheusRule").apiVersion).toBe("monitoring.coreos.com/v1");
    expect(specOf(manifests)).toEqual(plain);
  });

  test("has labels, links and gaps as the values say", async () => {
    const manifests = await render({ valuesFiles: [valuesFile("full")] });
    expect(only(manifests, "PrometheusRule").metadata.labels).toMatchObject({
      release: "prometheus",
      team: "platform",
    });
    const [before, after] = [plain, specOf(manifests)].map(({ groups }) => groups.flatMap(({ rules }) => rules));
    const kept = before?.filter(({ alert }) => alert !== "LockstepLatencyHigh");
    expect(kept?.length).toBe((before?.length ?? 0) - 1);
    expect(after).toEqual(
      kept?.map((rule) => {
        if (rule.alert === undefined) return rule;
        const { summary, description } = rule.annotations ?? {};
        const link = `https://docs.example.com/lockstep/alerts#${rule.alert.toLowerCase()}`;
        return {
          ...rule,
          labels: { ...rule.labels, team: "platform" },
          annotations: { summary, description, runbook_url: link },
        };
      }),
    );
  });

  test("has a dashboard that Grafana's sidecar finds, as it is", async () => {
    const manifests = await render({ valuesFiles: [valuesFile("full")] });
    const dashboard = only(manifests, "ConfigMap", "serving-dashboard") as Manifest & {
      readonly data: Readonly<Record<string, string>>;
    };
    expect(dashboard.metadata.labels).toMatchObject({ grafana_dashboard: "1" });
    expect(dashboard.metadata.annotations).toEqual({ grafana_folder: "Serving" });
    expect(JSON.parse(dashboard.data["lockstep.json"] ?? "")).toEqual(
      JSON.parse(readFileSync(path.join(ROOT, "examples/monitoring/dashboard.json"), "utf8")),
    );
  });

  test("has the label of the series by which rules sum up", async () => {
    const { spec } = only(await render({ valuesFiles: [valuesFile("full")] }), "PodMonitor") as Manifest & {
      readonly spec: { readonly podMetricsEndpoints: readonly [{ readonly relabelings: readonly object[] }] };
    };
    expect(spec.podMetricsEndpoints[0].relabelings).toEqual([
      {
        sourceLabels: ["__meta_kubernetes_pod_label_serving_lockstep_dev_inferenceservice"],
        targetLabel: "inferenceservice",
      },
    ]);
  });
});

describe("an image", () => {
  const digest = `sha256:${"0".repeat(64)}`;
  test.each([
    [{}, "lockstep/operator:0.1.0"],
    [{ tag: "1.2.3" }, "lockstep/operator:1.2.3"],
    [{ registry: "registry.example.com:5000" }, "registry.example.com:5000/lockstep/operator:0.1.0"],
    [{ registry: "registry.example.com/mirror/" }, "registry.example.com/mirror/lockstep/operator:0.1.0"],
    [{ tag: "1.2.3", digest }, `lockstep/operator@${digest}`],
  ])("of %j is %s", async (image, reference) => {
    const set = Object.fromEntries(Object.entries(image).map(([key, value]) => [`operator.image.${key}`, value]));
    expect(operatorContainer(await render({ set })).image).toBe(reference);
  });
});

describe("helm refuses", () => {
  test.each<[string, Record<string, string>, RegExp]>([
    ["an unknown value", { replicaCount: "3" }, /replicaCount/],
    ["an unknown value of a group", { "operator.replica": "3" }, /replica/],
    ["a text for a number", { "operator.replicas": "many" }, /operator.replicas/],
    ["a level that does not exist", { "operator.logLevel": "trace" }, /operator.logLevel/],
    ["a digest that is none", { "runtime.image.digest": "sha256:12" }, /runtime.image.digest/],
    ["a variable that is a value", { "operator.extraEnv[0].name": "LOCKSTEP_LOG_LEVEL" }, /operator.extraEnv/],
    ["two operators at work", { "operator.leaderElection.enabled": "false" }, /needs operator.replicas: 1/],
    ["a service account without a name", { "serviceAccount.create": "false" }, /set serviceAccount.name/],
  ])("%s", async (_words, set, says) => {
    await expect(renderText({ set })).rejects.toThrow(says);
  });
});

test("install.yaml is up to date", async () => {
  const namespace = "lockstep-system";
  const rendered = await renderText({ namespace, skipTests: true, set: { "crds.keep": "false" } });
  // If not: npm run install-yaml
  expect(readFileSync(path.join(ROOT, "install.yaml"), "utf8")).toBe(installYaml(rendered, namespace));
});
