import { createPrivateKey, generateKeyPairSync, randomBytes, sign, X509Certificate, type KeyObject } from "node:crypto";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_kp_clientAuth,
  id_kp_serverAuth,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

/** A certificate and its key, in PEM. */
export interface KeyPairPem {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** From when to when a certificate is valid; to the second. */
export interface ValidityPeriod {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** Makes the certificate of an authority, signed by itself, and its key. It may sign certificates of ends alone. */
export function makeAuthority(commonName: string, validity: ValidityPeriod): KeyPairPem {
  const key = newKeyPair();
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
  ];
  const subject = nameOf(commonName);
  return signed({ key, subject, issuer: subject, issuerKey: key.privateKey, validity, extensions });
}

/** Makes a certificate for a server with these DNS names, or for a client, and its key. */
export function makeCertificate(options: {
  readonly authority: KeyPairPem;
  readonly commonName: string;
  readonly use: { readonly kind: "server"; readonly dnsNames: readonly string[] } | { readonly kind: "client" };
  readonly validity: ValidityPeriod;
}): KeyPairPem {
  const { authority, commonName, use, validity } = options;
  const extensions = [
    extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
    extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
    extension(id_ce_extKeyUsage, new ExtendedKeyUsage([use.kind === "server" ? id_kp_serverAuth : id_kp_clientAuth])),
  ];
  if (use.kind === "server") {
    const names = use.dnsNames.map((dNSName) => new GeneralName({ dNSName }));
    extensions.push(extension(id_ce_subjectAltName, new SubjectAlternativeName(names)));
  }
  const issuer = AsnConvert.parse(new X509Certificate(authority.certificatePem).raw, Certificate).tbsCertificate
    .subject;
  return signed({
    key: newKeyPair(),
    subject: nameOf(commonName),
    issuer,
    issuerKey: createPrivateKey(authority.privateKeyPem),
    validity,
    extensions,
  });
}

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function newKeyPair(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function signed(options: {
  readonly key: KeyPair;
  readonly subject: Name;
  readonly issuer: Name;
  readonly issuerKey: KeyObject;
  readonly validity: ValidityPeriod;
  readonly extensions: readonly Extension[];
}): KeyPairPem {
  const { key, subject, issuer, issuerKey, validity, extensions } = options;
  const algorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const publicKey = key.publicKey.export({ type: "spki", format: "der" });
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: serialNumber(),
    signature: algorithm,
    issuer,
    validity: new Validity(validity),
    subject,
    subjectPublicKeyInfo: AsnConvert.parse(publicKey, SubjectPublicKeyInfo),
    extensions: new Extensions([...extensions]),
  });
  const signature = sign("sha256", Buffer.from(AsnConvert.serialize(tbsCertificate)), issuerKey);
  const certificate = new Certificate({
    tbsCertificate,
    signatureAlgorithm: algorithm,
    signatureValue: arrayBufferOf(signature),
  });
  return {
    certificatePem: new X509Certificate(Buffer.from(AsnConvert.serialize(certificate))).toString(),
    privateKeyPem: key.privateKey.export({ type: "pkcs8", format: "pem" }),
  };
}

function extension(extnID: string, value: object, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function nameOf(commonName: string): Name {
  const value = new AttributeValue({ utf8String: commonName });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })])]);
}

/** A positive number of 16 bytes that nobody can guess. */
function serialNumber(): ArrayBuffer {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return arrayBufferOf(bytes);
}

function arrayBufferOf(bytes: Buffer): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
