import { expect, test } from "vitest";
import type { ApiServiceObject } from "../../../../operator/kube/api-services.ts";
import { ownerOf, registrationState } from "../../../../operator/metrics-api/registration.ts";

const OURS = { namespace: "lockstep-system", name: "lockstep-metrics" };
const BUNDLE = "a bundle";

function apiService(spec: ApiServiceObject["spec"]): ApiServiceObject {
  const metadata = { name: "v1beta2.custom.metrics.k8s.io" };
  return { apiVersion: "apiregistration.k8s.io/v1", kind: "APIService", metadata, ...(spec && { spec }) };
}

const known = Buffer.from(BUNDLE).toString("base64");

test.each<[string, ApiServiceObject | undefined, string]>([
  ["there is none", undefined, "absent"],
  ["ours, which knows all", apiService({ service: OURS, caBundle: known }), "current"],
  ["ours, as the chart makes it", apiService({ service: OURS }), "stale"],
  ["ours, which knows an older one", apiService({ service: OURS, caBundle: "b2xk" }), "stale"],
  ["ours, which checks nothing", apiService({ service: OURS, caBundle: known, insecureSkipTLSVerify: true }), "stale"],
  ["of another namespace", apiService({ service: { ...OURS, namespace: "monitoring" }, caBundle: known }), "foreign"],
  ["of another Service", apiService({ service: { ...OURS, name: "prometheus-adapter" } }), "foreign"],
  ["of the API server's own", apiService({ service: null }), "foreign"],
  ["without a spec", apiService(undefined), "foreign"],
])("%s", (_words, live, state) => {
  expect(registrationState(live, { service: OURS, caBundlePem: BUNDLE })).toBe(state);
});

test("the owner is named for people", () => {
  expect(ownerOf(apiService({ service: { namespace: "monitoring", name: "adapter" } }))).toBe(
    "Service monitoring/adapter",
  );
  expect(ownerOf(apiService({ service: null }))).toBe("the API server");
});
