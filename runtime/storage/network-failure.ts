import { NetworkDeniedError } from "./network-guard.ts";
import { StorageFailure, systemErrorCode } from "./storage-failure.ts";

/**
 * Says why a request got no answer, or no complete one. `place` is shown, and must be without secrets. Undefined if
 * the error is not one of the network.
 */
export function networkFailure(thrown: unknown, place: string): StorageFailure | undefined {
  for (const error of causes(thrown)) {
    if (error instanceof StorageFailure) return error;
    if (error instanceof NetworkDeniedError)
      return new StorageFailure("StorageUnreachable", `${place} is not asked: ${error.message}`, { cause: thrown });
    // undici's parser errors have a name where others have a code.
    const code = error instanceof Error && error.name === "HTTPParserError" ? "HPE_INVALID" : systemErrorCode(error);
    const known = code === undefined ? undefined : explain(code);
    if (known !== undefined)
      return new StorageFailure("StorageUnreachable", `${place} could not be reached: ${known.text}`, {
        cause: thrown,
        transient: known.transient,
      });
  }
  return undefined;
}

/** The error, what caused it, and so on; of several attempts to connect, each. */
function causes(thrown: unknown, depth = 0): unknown[] {
  if (!(thrown instanceof Error) || depth > 8) return [thrown];
  const parts = thrown instanceof AggregateError ? (thrown.errors as unknown[]) : [];
  return [thrown, ...parts.flatMap((part) => causes(part, depth + 1)), ...causes(thrown.cause, depth + 1)];
}

interface Explanation {
  readonly text: string;
  /** Whether trying again at once may help. */
  readonly transient: boolean;
}

const BROKE = { text: "the connection broke", transient: true };
const NO_DNS = { text: "its host name could not be resolved: the DNS does not answer", transient: true };
const NO_CONNECTION = { text: "no connection in time: check the address and network policies", transient: true };
const NO_ROUTE = { text: "there is no route to its address", transient: true };

const EXPLANATIONS: ReadonlyMap<string, Explanation> = new Map([
  ["ENOTFOUND", { text: "its host name does not resolve: check the name and the cluster's DNS", transient: false }],
  ["EAI_AGAIN", NO_DNS],
  ["EAI_FAIL", NO_DNS],
  ["ESERVFAIL", NO_DNS],
  ["ETIMEOUT", NO_DNS],
  ["ECONNREFUSED", { text: "connection refused", transient: true }],
  ["ECONNRESET", BROKE],
  ["ECONNABORTED", BROKE],
  ["EPIPE", BROKE],
  ["UND_ERR_SOCKET", BROKE],
  ["UND_ERR_ABORTED", BROKE],
  ["ERR_STREAM_PREMATURE_CLOSE", BROKE],
  ["ETIMEDOUT", NO_CONNECTION],
  ["UND_ERR_CONNECT_TIMEOUT", NO_CONNECTION],
  ["UND_ERR_HEADERS_TIMEOUT", { text: "it did not answer in time", transient: true }],
  ["UND_ERR_BODY_TIMEOUT", { text: "it stopped sending", transient: true }],
  ["EHOSTUNREACH", NO_ROUTE],
  ["ENETUNREACH", NO_ROUTE],
  ["EADDRNOTAVAIL", NO_ROUTE],
  ["ERR_TLS_CERT_ALTNAME_INVALID", { text: "its certificate is for another host name", transient: false }],
  ["CERT_HAS_EXPIRED", { text: "its certificate has expired", transient: false }],
  ["CERT_NOT_YET_VALID", { text: "its certificate is not valid yet: compare the clocks", transient: false }],
]);

function explain(code: string): Explanation | undefined {
  const known = EXPLANATIONS.get(code);
  if (known !== undefined) return known;
  if (/^(HPE_|UND_ERR_)/.test(code)) return { text: "it does not speak HTTP as expected", transient: true };
  if (/^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code))
    return { text: `TLS failed (${code}): check http:// or https:// in the address`, transient: false };
  // OpenSSL's verification codes, such as SELF_SIGNED_CERT_IN_CHAIN and UNABLE_TO_VERIFY_LEAF_SIGNATURE.
  if (/CERT|LEAF_SIGNATURE|ISSUER/.test(code))
    return {
      text: `its certificate is not trusted (${code}): name the authority that signed it in storage.caBundle`,
      transient: false,
    };
  return undefined;
}
