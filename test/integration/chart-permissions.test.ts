import { beforeAll, describe, expect, inject, test } from "vitest";
import { render, type Manifest } from "../programs/chart.ts";
import { accessOf, apply, createNamespace, send } from "./cluster-access.ts";

const access = accessOf(inject("kubeconfig"));
const RBAC = "/apis/rbac.authorization.k8s.io/v1";
const VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

interface Rule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** What an operator may do with a resource, beyond what every service account may. */
type Permissions = Readonly<Record<string, string>>;

const OWNED = "get list watch create patch delete";
/** All that the operator may do in a namespace that it watches. */
const EXPECTED: Permissions = {
  "serving.lockstep.dev/inferenceservices": "get list watch",
  "serving.lockstep.dev/inferenceservices/status": "update",
  "serving.lockstep.dev/inferenceservices/finalizers": "update",
  "apps/deployments": OWNED,
  // Sleeping and waking change the number of replicas, and nothing else.
  "apps/deployments/scale": "patch",
  "discovery.k8s.io/endpointslices": OWNED,
  "/services": OWNED,
  // The record of what is served is replaced as a whole.
  "/configmaps": "get list watch create update patch delete",
  "networking.k8s.io/networkpolicies": OWNED,
  "autoscaling/horizontalpodautoscalers": OWNED,
  "policy/poddisruptionbudgets": OWNED,
  "/pods": "get list watch delete",
  "events.k8s.io/events": "create",
};
/** Beside that, where the operator is. Its key can be read by its name alone. */
const ELECTION: Permissions = {
  "coordination.k8s.io/leases": "get create update",
  "/secrets": "create",
  // Where the other operators are.
  "discovery.k8s.io/endpointslices": "list watch",
};

/** Every resource that the API server serves, and some that only exist for authorization. */
let resources: readonly string[];

async function servedResources(): Promise<readonly string[]> {
  const { groups } = (await send(access, "GET", "/apis")).body as {
    groups: readonly { name: string; preferredVersion: { groupVersion: string } }[];
  };
  const versions = [
    ["", "/api/v1"],
    ...groups.map((each) => [each.name, `/apis/${each.preferredVersion.groupVersion}`]),
  ];
  const lists = await Promise.all(
    versions.map(async ([group, root = ""]) => {
      const { resources: found } = (await send(access, "GET", root)).body as { resources: readonly { name: string }[] };
      return found.map((resource) => `${group}/${resource.name}`);
    }),
  );
  return [...lists.flat(), "serving.lockstep.dev/inferenceservices/finalizers", "/users", "/groups"];
}

async function mayDo(
  account: string,
  verb: string,
  resource: string,
  namespace: string,
  objectName = "",
): Promise<boolean> {
  const [group = "", name = "", ...subresource] = resource.split("/");
  const [, accountNamespace = ""] = account.split("/");
  const review = {
    spec: {
      user: `system:serviceaccount:${accountNamespace}:${account.split("/")[0]}`,
      groups: ["system:authenticated", "system:serviceaccounts", `system:serviceaccounts:${accountNamespace}`],
      resourceAttributes: {
        group,
        resource: name,
        subresource: subresource.join("/"),
        verb,
        namespace,
        name: objectName,
      },
    },
  };
  const answer = await send(access, "POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review);
  return (answer.body as { status: { allowed: boolean } }).status.allowed;
}

/** What an account (`name/namespace`) may do in a namespace, beyond what every service account may. */
async function permissions(account: string, namespace: string): Promise<Permissions> {
  const found: Record<string, string> = {};
  for (const resource of resources) {
    const verbs = await Promise.all(
      VERBS.map(async (verb) => {
        if (!(await mayDo(account, verb, resource, namespace))) return undefined;
        return (await mayDo("nobody/elsewhere", verb, resource, namespace)) ? undefined : verb;
      }),
    );
    const allowed = verbs.filter((verb) => verb !== undefined);
    if (allowed.length > 0) found[resource] = allowed.join(" ");
  }
  return found;
}

function rulesOf(manifests: readonly Manifest[]): readonly Rule[] {
  return manifests.flatMap((each) => (each["rules"] as readonly Rule[] | undefined) ?? []);
}

async function createRbac(manifests: readonly Manifest[]): Promise<void> {
  for (const manifest of manifests.filter((each) => /Role(Binding)?$/.test(each.kind))) {
    const { namespace } = manifest.metadata;
    const folder = namespace === undefined ? "" : `/namespaces/${namespace}`;
    const resource = `${RBAC}${folder}/${manifest.kind.toLowerCase()}s/${manifest.metadata.name}`;
    const { status, causes } = await apply(access, resource, manifest);
    if (status !== 200 && status !== 201) throw new Error(`cannot make ${manifest.kind}: ${causes[0]?.message}`);
  }
}

beforeAll(async () => {
  for (const namespace of ["operator-home", "watched", "unwatched"]) await createNamespace(access, namespace);
  resources = await servedResources();
  await createRbac(await render({ release: "lockstep-wide", namespace: "operator-home" }));
  await createRbac(
    await render({
      release: "lockstep-narrow",
      namespace: "operator-home",
      set: { "watchNamespaces[0]": "watched", "rbac.userRoles": "false" },
    }),
  );
});

describe("an operator for all namespaces", () => {
  const account = "lockstep-wide/operator-home";

  test("may do this and nothing else", async () => {
    expect(resources.length).toBeGreaterThan(80);
    expect(await permissions(account, "unwatched")).toEqual(EXPECTED);
  });

  test("may also elect a leader at home", async () => {
    expect(await permissions(account, "operator-home")).toEqual({ ...ELECTION, ...EXPECTED });
  });
});

describe("an operator for one namespace", () => {
  const account = "lockstep-narrow/operator-home";

  test("may do the same there", async () => {
    expect(await permissions(account, "watched")).toEqual(EXPECTED);
  });

  test("may do nothing elsewhere but elect a leader at home", async () => {
    expect(await permissions(account, "unwatched")).toEqual({});
    expect(await permissions(account, "operator-home")).toEqual(ELECTION);
  });
});

test.each(["lockstep-wide/operator-home", "lockstep-narrow/operator-home"])(
  "%s may do to objects by their names what the metrics API needs",
  async (account) => {
    const allowed = async (resource: string, namespace: string, name: string): Promise<string> => {
      const verbs = await Promise.all(
        VERBS.map(async (verb) => ((await mayDo(account, verb, resource, namespace, name)) ? verb : "")),
      );
      return verbs.filter((verb) => verb !== "").join(" ");
    };
    const apiServices = "apiregistration.k8s.io/apiservices";
    expect(await allowed(apiServices, "", "v1beta1.custom.metrics.k8s.io")).toBe("get patch");
    expect(await allowed(apiServices, "", "v1beta2.custom.metrics.k8s.io")).toBe("get patch");
    expect(await allowed(apiServices, "", "v1beta1.metrics.k8s.io")).toBe("");
    expect(await allowed("/secrets", "operator-home", "lockstep-metrics-api-tls")).toBe("get create update");
    expect(await allowed("/configmaps", "kube-system", "extension-apiserver-authentication")).toContain("get");
  },
);

test("no rule of the chart has a wildcard or reaches a secret of others", async () => {
  const rules = rulesOf(await render());
  expect(rules.length).toBeGreaterThan(10);
  const words = rules.flatMap((rule) => [...(rule.apiGroups ?? []), ...(rule.resources ?? []), ...rule.verbs]);
  expect(words).not.toContain("*");
  expect(words.filter((word) => /exec|escalate|bind|impersonate/.test(word))).toEqual([]);
  // The operator's own: it makes them, and reads and renews them by their names.
  const ofSecrets = rules.filter((rule) => rule.resources?.includes("secrets") === true);
  expect(ofSecrets.map(({ verbs, resourceNames = [] }) => [verbs, resourceNames])).toEqual([
    [["create"], []],
    [["get"], ["lockstep-operator-key"]],
    [["get", "update"], ["lockstep-metrics-api-tls"]],
  ]);
});

test("people's own roles grow by the matching right", async () => {
  const labels = new Map((await render()).map((each) => [each.metadata.name, each.metadata.labels]));
  const aggregate = (role: string) =>
    ["view", "edit", "admin"].filter(
      (to) => labels.get(role)?.[`rbac.authorization.k8s.io/aggregate-to-${to}`] === "true",
    );
  expect(aggregate("lockstep-inferenceservice-view")).toEqual(["view", "edit", "admin"]);
  expect(aggregate("lockstep-inferenceservice-edit")).toEqual(["edit", "admin"]);
});
