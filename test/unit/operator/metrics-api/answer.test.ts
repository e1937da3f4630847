import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answerMetricsRequest, type MetricsView } from "../../../../operator/metrics-api/answer.ts";
import { history, pod, TABLE } from "./metrics-fixtures.ts";

const pods = [pod("a", { app: "digits" }), pod("b", { app: "digits" }), pod("c", { app: "iris" })];

function view(change: Partial<MetricsView> = {}): MetricsView {
  return {
    metrics: TABLE,
    isComplete: true,
    watches: (namespace) => namespace !== "unwatched",
    podsIn: (namespace) => (namespace === "models" ? pods : []),
    historyOf: ({ metadata: { name } }) => (name === "b" ? undefined : history(name, { inFlight: 2, atMs: 1 })),
    moment: { sampleMs: 1, wall: new Date(0) },
    ...change,
  };
}

const ask = (target: string, change: Partial<MetricsView> = {}, method = "GET", accept?: string) =>
  answerMetricsRequest({ method, target, accept }, view(change));

const GROUP = "/apis/custom.metrics.k8s.io";
const PODS = `${GROUP}/v1beta2/namespaces/models/pods`;

function names(body: object): string[] {
  const { items } = body as { items: readonly { describedObject: { name: string } }[] };
  return items.map(({ describedObject }) => describedObject.name);
}

describe("the pods of an answer", () => {
  test.each([
    [`${PODS}/*/lockstep_concurrency`, ["a", "c"]],
    [`${PODS}/%2A/lockstep_concurrency?labelSelector=`, ["a", "c"]],
    [`${PODS}/*/lockstep_concurrency?labelSelector=app%3Ddigits`, ["a"]],
    [`${PODS}/*/lockstep_concurrency?labelSelector=app+in+(iris)&metricLabelSelector=!x`, ["c"]],
    [`${PODS}/*/lockstep_concurrency?labelSelector=app%3Dnothing`, []],
    // The metric has no label x.
    [`${PODS}/*/lockstep_concurrency?metricLabelSelector=x%3D1`, []],
    [`${PODS}/c/lockstep_concurrency`, ["c"]],
    [`${GROUP}/v1beta2/namespaces/empty/pods/*/lockstep_concurrency`, []],
    [`${GROUP}/v1beta1/namespaces/models/pods/c/lockstep_concurrency`, ["c"]],
  ])("%s", (target, expected) => {
    const { status, body } = ask(target);
    expect(status).toBe(200);
    expect(names(body)).toEqual(expected);
  });
});

describe("refused is", () => {
  test.each([
    [`${PODS}/*/lockstep_other`, 404, /no metric lockstep_other/],
    [`${PODS}/*/constructor`, 404, /no metric constructor/],
    [`${PODS}/b/lockstep_concurrency`, 404, /pod models\/b has no metric/],
    [`${PODS}/missing/lockstep_concurrency`, 404, /models\/missing/],
    [`${GROUP}/v1beta2/namespaces/unwatched/pods/*/lockstep_concurrency`, 404, /does not look after/],
    [`${GROUP}/v2/namespaces/models/pods/*/lockstep_concurrency`, 404, /could not find/],
    [`${GROUP}/v1beta2/namespaces/models/services/a/lockstep_concurrency`, 404, /could not find/],
    [`${GROUP}/v1beta2/namespaces/models/metrics/lockstep_concurrency`, 404, /could not find/],
    [`${GROUP}/v3`, 404, /could not find/],
    ["/openapi/constructor", 404, /could not find/],
    ["/apis/other.k8s.io", 404, /could not find/],
    ["/", 404, /could not find/],
    [`${PODS}/*/lockstep_concurrency?labelSelector=%2C`, 400, /labelSelector cannot be read/],
    [`${PODS}/*/lockstep_concurrency?metricLabelSelector=a+b`, 400, /metricLabelSelector cannot be read/],
    [`${PODS}/%/lockstep_concurrency`, 400, /the path/],
  ])("%s: %d", (target, status, message) => {
    const answer = ask(target);
    expect(answer).toMatchObject({ status, body: { kind: "Status", code: status, status: "Failure" } });
    expect((answer.body as { message: string }).message).toMatch(message);
  });

  test("what would change something", () => {
    for (const method of ["POST", "PUT", "PATCH", "DELETE", "HEAD"])
      expect(ask(`${PODS}/*/lockstep_concurrency`, {}, method)).toMatchObject({
        status: 405,
        headers: { allow: "GET" },
      });
  });

  test("a question that comes before the pods are known", () => {
    expect(ask(`${PODS}/*/lockstep_concurrency`, { isComplete: false }).status).toBe(503);
    expect(ask(`${GROUP}/v1beta2`, { isComplete: false }).status).toBe(200);
  });
});

describe("what there is", () => {
  test.each([
    ["/apis", { kind: "APIGroupList", groups: [{ name: "custom.metrics.k8s.io" }] }],
    [GROUP, { kind: "APIGroup", preferredVersion: { version: "v1beta2" } }],
    [`${GROUP}/v1beta2/`, { kind: "APIResourceList", resources: [{ name: "pods/lockstep_concurrency" }] }],
    [`${GROUP}/v1beta1`, { kind: "APIResourceList", groupVersion: "custom.metrics.k8s.io/v1beta1" }],
    ["/openapi/v2", { swagger: "2.0", paths: {} }],
    ["/openapi/v3", { paths: {} }],
  ])("%s", (target, document) => {
    expect(ask(target)).toMatchObject({ status: 200, body: document });
  });

  test("is not said in the form that gathers all groups", () => {
    const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    expect(ask("/apis", {}, "GET", aggregated).status).toBe(406);
    expect(ask("/apis", {}, "GET", `${aggregated},application/json`).status).toBe(200);
  });
});

test("every request has an answer", () => {
  const parts = fc.constantFrom(
    "apis",
    "custom.metrics.k8s.io",
    "v1beta2",
    "namespaces",
    "models",
    "pods",
    "*",
    "?",
    "%",
  );
  const target = fc.oneof(
    fc.string(),
    fc.array(parts, { maxLength: 10 }).map((all) => `/${all.join("/")}`),
  );
  fc.assert(
    fc.property(target, (text) => {
      const { status } = ask(text);
      expect([200, 400, 404]).toContain(status);
    }),
  );
});
