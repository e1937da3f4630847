import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { makeAuthority, makeCertificate, type KeyPairPem, type ValidityPeriod } from "./certificates.ts";

/**
 * What the metrics API proves itself with, and how that is renewed. Each certificate has an authority of its own, whose key
 * is forgotten as soon as it has signed: there is no key to steal with which others could be made. So every renewal changes
 * the authority, and takes three steps, between which every replica of the operator and every API server can catch up:
 *
 *     trusted: A      serves: a               two thirds of a's life are over: prepare
 *     trusted: A, B   serves: a   next: b     B is known to the API servers, and has been for a while: promote
 *     trusted: A, B   serves: b               A expires, and is dropped with the next preparation
 */
export interface ServingIdentity {
  readonly current: KeyPairPem;
  /** Takes the place of `current` when its authority is known everywhere. */
  readonly next?: KeyPairPem;
  /** Certificates of authorities in PEM; that of `current` and of `next` among them. */
  readonly trusted: readonly string[];
}

/** What is to be done about an identity. */
export type IdentityStep =
  | { readonly kind: "keep" }
  /** There is none that could be used: make one, and do not mind who trusts the old one. */
  | { readonly kind: "replace"; readonly reason: string }
  | { readonly kind: "prepare" }
  | { readonly kind: "promote" };

const HOUR_MS = 3_600_000;
/** How long a certificate is valid. */
export const CERTIFICATE_LIFETIME_MS = 365 * 24 * HOUR_MS;
/** Clocks of API servers may be behind by this much. */
const BACKDATED_MS = HOUR_MS;
/** For how long an authority is made known before a certificate of it is served. */
const KNOWN_BEFORE_USE_MS = HOUR_MS;
/** So little of a certificate's life left counts as expired. */
const LAST_MOMENT_MS = HOUR_MS;
/** More are never needed; a bundle that grows without end would not be taken. */
const MAX_TRUSTED = 4;

/** What to do about an identity. `isPublished`: the API servers know all authorities that it trusts. */
export function identityStep(
  identity: ServingIdentity | undefined,
  options: { readonly dnsNames: readonly string[]; readonly now: Date; readonly isPublished: boolean },
): IdentityStep {
  const { dnsNames, now, isPublished } = options;
  if (identity === undefined) return { kind: "replace", reason: "there is none" };
  const problem = problemOf(identity.current, identity.trusted, { dnsNames, now });
  const next = identity.next && problemOf(identity.next, identity.trusted, { dnsNames, now });
  const isNextUsable = identity.next !== undefined && next === undefined;
  if (problem !== undefined) return isNextUsable ? { kind: "promote" } : { kind: "replace", reason: problem };
  const { notBefore, notAfter } = validityOf(identity.current);
  const renewAtMs = notBefore.getTime() + ((notAfter.getTime() - notBefore.getTime()) * 2) / 3;
  if (now.getTime() < renewAtMs) return { kind: "keep" };
  if (identity.next === undefined || !isNextUsable) return { kind: "prepare" };
  const knownSinceMs = validityOf(identity.next).notBefore.getTime() + BACKDATED_MS;
  const isKnown = isPublished && now.getTime() >= knownSinceMs + KNOWN_BEFORE_USE_MS;
  return { kind: isKnown ? "promote" : "keep" };
}

/** Takes a step. `make` is asked where it needs a new certificate. */
export function takeIdentityStep(
  step: IdentityStep,
  identity: ServingIdentity | undefined,
  options: { readonly now: Date; readonly make: () => NewIdentity },
): ServingIdentity | undefined {
  const { now, make } = options;
  if (step.kind === "keep") return identity;
  if (step.kind === "promote") return identity?.next && { current: identity.next, trusted: identity.trusted };
  const { pair, authorityPem } = make();
  const trusted = withTrusted(identity?.trusted ?? [], authorityPem, now);
  if (step.kind === "prepare" && identity !== undefined) return { current: identity.current, next: pair, trusted };
  return { current: pair, trusted };
}

/** A new certificate, and the authority that has signed it. */
export interface NewIdentity {
  readonly pair: KeyPairPem;
  readonly authorityPem: string;
}

/** Makes a certificate with these names, and an authority for it alone. */
export function makeIdentity(dnsNames: readonly string[], now: Date): NewIdentity {
  const validity: ValidityPeriod = {
    notBefore: new Date(now.getTime() - BACKDATED_MS),
    notAfter: new Date(now.getTime() + CERTIFICATE_LIFETIME_MS),
  };
  // Clients tell authorities apart by their names.
  const authority = makeAuthority(`lockstep-metrics-api-ca-${randomBytes(6).toString("hex")}`, validity);
  const use = { kind: "server", dnsNames } as const;
  const pair = makeCertificate({ authority, commonName: "lockstep-metrics-api", use, validity });
  return { pair, authorityPem: authority.certificatePem };
}

/** The newest first, without those that have expired. */
function withTrusted(trusted: readonly string[], added: string, now: Date): string[] {
  const valid = trusted.filter((pem) => validityOf({ certificatePem: pem }).notAfter > now);
  return [added, ...valid].slice(0, MAX_TRUSTED);
}

/** From when to when a certificate is valid. */
export function validityOf({ certificatePem }: Pick<KeyPairPem, "certificatePem">): ValidityPeriod {
  const { validFromDate, validToDate } = new X509Certificate(certificatePem);
  return { notBefore: validFromDate, notAfter: validToDate };
}

function problemOf(
  pair: KeyPairPem,
  trusted: readonly string[],
  { dnsNames, now }: { readonly dnsNames: readonly string[]; readonly now: Date },
): string | undefined {
  const certificate = new X509Certificate(pair.certificatePem);
  const { notBefore, notAfter } = validityOf(pair);
  if (now < notBefore) return `its certificate is valid only from ${notBefore.toISOString()} on`;
  if (now.getTime() > notAfter.getTime() - LAST_MOMENT_MS)
    return `its certificate is valid until ${notAfter.toISOString()}`;
  const missing = dnsNames.find((name) => certificate.checkHost(name, { subject: "never" }) === undefined);
  if (missing !== undefined) return `its certificate does not have the name ${missing}`;
  const authority = trusted.map((pem) => new X509Certificate(pem)).find((each) => certificate.checkIssued(each));
  if (authority === undefined || !certificate.verify(authority.publicKey))
    return "its certificate is of an unknown authority";
  return undefined;
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;

/** The data of a Secret that keeps an identity. */
export type IdentityData = Readonly<Record<string, string>>;

/** An identity as data of a Secret, in base64. */
export function identityData({ current, next, trusted }: ServingIdentity): IdentityData {
  const texts = {
    "ca.crt": trusted.join(""),
    "tls.crt": current.certificatePem,
    "tls.key": current.privateKeyPem,
    ...(next && { "next.crt": next.certificatePem, "next.key": next.privateKeyPem }),
  };
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
}

/** The identity that a Secret's data is; undefined where it is none: a part is missing or cannot be read. */
export function identityOfData(data: IdentityData | undefined): ServingIdentity | undefined {
  const text = (key: string): string => Buffer.from(data?.[key] ?? "", "base64").toString();
  const trusted = (text("ca.crt").match(CERTIFICATES) ?? []).filter((pem) => isCertificate(pem));
  const current = readable({ certificatePem: text("tls.crt"), privateKeyPem: text("tls.key") });
  const next = readable({ certificatePem: text("next.crt"), privateKeyPem: text("next.key") });
  return current && { current, trusted, ...(next && { next }) };
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).ca;
  } catch {
    return false;
  }
}

function readable(pair: KeyPairPem): KeyPairPem | undefined {
  try {
    const key = createPrivateKey(pair.privateKeyPem);
    return new X509Certificate(pair.certificatePem).checkPrivateKey(key) ? pair : undefined;
  } catch {
    return undefined;
  }
}
