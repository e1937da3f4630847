import * as fc from "fast-check";
import { X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  CERTIFICATE_LIFETIME_MS,
  identityData,
  identityOfData,
  identityStep,
  makeIdentity,
  takeIdentityStep,
  type ServingIdentity,
} from "../../../../operator/metrics-api/serving-identity.ts";
import { runCount } from "../../../fixtures/run-count.ts";

const NAMES = ["lockstep-metrics.lockstep-system.svc", "lockstep-metrics.lockstep-system"];
const MADE = new Date("2026-01-01T00:00:00Z");
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

const after = (ms: number): Date => new Date(MADE.getTime() + ms);
const make =
  (now: Date, names: readonly string[] = NAMES) =>
  () =>
    makeIdentity(names, now);

function replaced(now: Date): ServingIdentity {
  const identity = takeIdentityStep({ kind: "replace", reason: "" }, undefined, { now, make: make(now) });
  if (identity === undefined) throw new Error("expected an identity");
  return identity;
}

/** Made at the beginning, and with a successor 250 days later. */
const young = replaced(MADE);
const prepared = takeIdentityStep({ kind: "prepare" }, young, {
  now: after(250 * DAY_MS),
  make: make(after(250 * DAY_MS)),
})!;

describe("the step", () => {
  const stranger = replaced(MADE);
  test.each<[string, ServingIdentity | undefined, Date, boolean, string]>([
    ["without an identity", undefined, MADE, true, "replace"],
    ["with a new one", young, MADE, false, "keep"],
    ["with one that is not old", young, after(240 * DAY_MS), true, "keep"],
    ["with an old one", young, after(244 * DAY_MS), true, "prepare"],
    ["with an old one that nobody knows", young, after(244 * DAY_MS), false, "prepare"],
    ["with a successor that was just made", prepared, after(250 * DAY_MS), true, "keep"],
    ["with one that is known for long", prepared, after(250 * DAY_MS + HOUR_MS), true, "promote"],
    ["with one that API servers do not know", prepared, after(260 * DAY_MS), false, "keep"],
    ["with one, when the old one expires", prepared, after(CERTIFICATE_LIFETIME_MS), false, "promote"],
    ["with an expired one", young, after(CERTIFICATE_LIFETIME_MS), true, "replace"],
    ["with one of the future", young, after(-2 * HOUR_MS), true, "replace"],
    ["with one whose authority is not trusted", { ...young, trusted: stranger.trusted }, MADE, true, "replace"],
    ["with one whose authority is lost", { ...young, trusted: [] }, MADE, true, "replace"],
    ["with a successor of a stranger's", { ...prepared, next: stranger.current }, after(250 * DAY_MS), true, "prepare"],
  ])("%s", (_words, identity, now, isPublished, kind) => {
    expect(identityStep(identity, { dnsNames: NAMES, now, isPublished }).kind).toBe(kind);
  });

  test("is to make another where the Service has another name", () => {
    const step = identityStep(young, {
      dnsNames: [...NAMES, "other.lockstep-system.svc"],
      now: MADE,
      isPublished: true,
    });
    expect(step).toMatchObject({ kind: "replace", reason: expect.stringContaining("other.lockstep-system.svc") });
  });
});

test("what is served is trusted, whenever one looks", () => {
  const lookAfterHours = fc.array(fc.integer({ min: 1, max: 120 * 24 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(lookAfterHours, fc.boolean(), (hours, isPublished) => {
      let now = MADE;
      let identity: ServingIdentity | undefined;
      for (const wait of hours) {
        now = new Date(now.getTime() + wait * HOUR_MS);
        const known = new Set(identity?.trusted);
        const step = identityStep(identity, { dnsNames: NAMES, now, isPublished });
        identity = takeIdentityStep(step, identity, { now, make: make(now) });
        const certificate = new X509Certificate(identity?.current.certificatePem ?? "");
        const authority = identity?.trusted.find((pem) => certificate.checkIssued(new X509Certificate(pem)));
        expect(authority).toBeDefined();
        expect(certificate.verify(new X509Certificate(authority ?? "").publicKey)).toBe(true);
        expect(certificate.validToDate > now).toBe(true);
        expect(identity?.trusted.length).toBeLessThanOrEqual(4);
        // But after a loss, what is served was trusted before.
        expect(step.kind !== "promote" || known.has(authority ?? "")).toBe(true);
      }
    }),
    { numRuns: runCount(60) },
  );
});

describe("the data of a Secret", () => {
  test("is the identity again", () => {
    expect(identityOfData(identityData(prepared))).toEqual(prepared);
    expect(identityOfData(identityData(young))).toEqual(young);
    expect(Object.keys(identityData(young))).toEqual(["ca.crt", "tls.crt", "tls.key"]);
  });

  test("has the key of no authority", () => {
    const texts = Object.values(identityData(prepared)).map((text) => Buffer.from(text, "base64").toString());
    expect(texts.filter((text) => text.includes("PRIVATE KEY"))).toHaveLength(2);
    expect(texts.join("").split("BEGIN CERTIFICATE")).toHaveLength(5);
  });

  const data = identityData(prepared);
  const other = identityData(replaced(MADE));
  test.each([
    ["nothing", undefined],
    ["empty", {}],
    ["without a certificate", { ...data, "tls.crt": "" }],
    ["with another key", { ...data, "tls.key": other["tls.key"] ?? "" }],
    ["with something else for a key", { ...data, "tls.key": "AAAA" }],
  ])("is none: %s", (_words, bad) => {
    expect(identityOfData(bad)).toBeUndefined();
  });

  test("may have parts that are of no use", () => {
    const bad = { ...data, "next.key": other["tls.key"] ?? "", "ca.crt": Buffer.from("nothing").toString("base64") };
    expect(identityOfData(bad)).toEqual({ current: prepared.current, trusted: [] });
  });
});
