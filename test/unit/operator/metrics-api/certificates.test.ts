import { X509Certificate } from "node:crypto";
import { expect, test } from "vitest";
import { makeAuthority, makeCertificate } from "../../../../operator/metrics-api/certificates.ts";

const validity = { notBefore: new Date("2026-01-01T00:00:00Z"), notAfter: new Date("2060-01-01T00:00:00Z") };
const authority = makeAuthority("an authority", validity);

test("an authority signs for ends alone", () => {
  const certificate = new X509Certificate(authority.certificatePem);
  expect(certificate.ca).toBe(true);
  expect(certificate.subject).toBe("CN=an authority");
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  // Beyond 2049 times are written otherwise.
  expect(certificate.validToDate).toEqual(validity.notAfter);
  expect(certificate.validFromDate).toEqual(validity.notBefore);
});

test("a server's certificate has its names, in no other use", () => {
  const dnsNames = ["a.b.svc", `${"x".repeat(63)}.${"y".repeat(63)}.svc.cluster.local`];
  const pair = makeCertificate({ authority, commonName: "server", use: { kind: "server", dnsNames }, validity });
  const certificate = new X509Certificate(pair.certificatePem);
  expect(certificate.ca).toBe(false);
  expect(certificate.subjectAltName).toBe(dnsNames.map((name) => `DNS:${name}`).join(", "));
  expect(certificate.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1"]);
  const signer = new X509Certificate(authority.certificatePem);
  expect(certificate.checkIssued(signer) && certificate.verify(signer.publicKey)).toBe(true);
});

test("no two certificates have the same number", () => {
  const numbers = Array.from({ length: 20 }, () => {
    const { certificatePem } = makeCertificate({ authority, commonName: "c", use: { kind: "client" }, validity });
    return new X509Certificate(certificatePem).serialNumber;
  });
  expect(new Set(numbers).size).toBe(20);
  expect(numbers.every((number) => /^[4-7][0-9A-F]{31}$/.test(number))).toBe(true);
});
