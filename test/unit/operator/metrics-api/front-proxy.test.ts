import { describe, expect, test } from "vitest";
import { authenticate, frontProxyTrustOf, type FrontProxyTrust } from "../../../../operator/metrics-api/front-proxy.ts";

const CA = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
const DATA = {
  "requestheader-client-ca-file": CA,
  "requestheader-allowed-names": '["front-proxy-client"]',
  "requestheader-username-headers": '["X-Remote-User","X-Other-User"]',
};
const TRUST: FrontProxyTrust = {
  authoritiesPem: CA,
  allowedNames: ["front-proxy-client"],
  usernameHeaders: ["x-remote-user", "x-other-user"],
};

describe("what an API server publishes", () => {
  test("is read", () => {
    expect(frontProxyTrustOf(DATA)).toEqual(TRUST);
    expect(frontProxyTrustOf({ "requestheader-client-ca-file": CA })).toEqual({
      authoritiesPem: CA,
      allowedNames: [],
      usernameHeaders: [],
    });
  });

  test("may be nothing", () => {
    expect(frontProxyTrustOf(undefined)).toBeUndefined();
    expect(frontProxyTrustOf({})).toBeUndefined();
    expect(frontProxyTrustOf({ ...DATA, "requestheader-client-ca-file": "" })).toBeUndefined();
  });

  test.each(['"a"', "[1]", "{}", "["])("is not understood: %s", (text) => {
    expect(() => frontProxyTrustOf({ ...DATA, "requestheader-allowed-names": text })).toThrow(
      /expected a list of texts|JSON/,
    );
  });
});

describe("a client", () => {
  test.each([
    ["with the name and a user", "front-proxy-client", { "x-remote-user": "a" }, "user"],
    ["with the user in the other header", "front-proxy-client", { "x-other-user": "a" }, "user"],
    ["without a certificate", undefined, { "x-remote-user": "a" }, "Unauthorized"],
    ["with another name", "front-proxy", { "x-remote-user": "a" }, "Forbidden"],
    ["without a name", "", { "x-remote-user": "a" }, "Forbidden"],
    ["without a user", "front-proxy-client", {}, "Unauthorized"],
    ["with an empty user", "front-proxy-client", { "x-remote-user": "" }, "Unauthorized"],
  ])("%s", (_words, certifiedName, headers, expected) => {
    const who = authenticate(TRUST, { certifiedName, headers });
    expect(who.kind === "user" ? "user" : who.reason).toBe(expected);
  });

  test("is refused where nobody is believed", () => {
    const proof = { certifiedName: "front-proxy-client", headers: { "x-remote-user": "a" } };
    expect(authenticate(undefined, proof)).toMatchObject({ kind: "refused", reason: "Unauthorized" });
  });

  test("may have any name where none is demanded", () => {
    const proof = { certifiedName: "anything", headers: { "x-remote-user": "a" } };
    expect(authenticate({ ...TRUST, allowedNames: [] }, proof)).toEqual({ kind: "user", name: "a" });
  });
});
