import type { ApiServiceObject } from "../kube/api-services.ts";

/** Where the metrics API is, as APIService objects name it. */
export interface ServiceReference {
  readonly namespace: string;
  readonly name: string;
}

/**
 * How an APIService stands to us. `absent`: nobody has that version of the API; `foreign`: somebody else has, and it is never
 * touched; `stale`: it is ours, but does not know all authorities yet; `current`: it is ours, and does.
 */
export const REGISTRATION_STATES = ["absent", "foreign", "stale", "current"] as const;
export type RegistrationState = (typeof REGISTRATION_STATES)[number];

/** Judges an APIService by the Service that it names. */
export function registrationState(
  live: ApiServiceObject | undefined,
  { service, caBundlePem }: { readonly service: ServiceReference; readonly caBundlePem: string },
): RegistrationState {
  if (live === undefined) return "absent";
  const { service: named, caBundle, insecureSkipTLSVerify } = live.spec ?? {};
  if (named?.namespace !== service.namespace || named.name !== service.name) return "foreign";
  const isKnown = Buffer.from(caBundle ?? "", "base64").toString() === caBundlePem;
  return isKnown && insecureSkipTLSVerify !== true ? "current" : "stale";
}

/** Who answers for an APIService, for people. */
export function ownerOf({ spec }: ApiServiceObject): string {
  const { namespace = "", name = "" } = spec?.service ?? {};
  return spec?.service ? `Service ${namespace}/${name}` : "the API server";
}
