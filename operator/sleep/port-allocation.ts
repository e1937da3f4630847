import type { PortRange } from "../../common/environment.ts";

/** The ports on which an operator answers for one InferenceService. */
export interface ActivatorPorts {
  readonly http: number;
  readonly grpc: number;
}

/** Ports that an InferenceService has, as its EndpointSlice says. */
export interface PortClaim {
  readonly key: string;
  readonly ports: ActivatorPorts;
  /** When the slice was made, in RFC 3339: of two that claim the same port the older one keeps it. */
  readonly since: string;
}

/**
 * Ports for an InferenceService: those that it has, if they are its own; otherwise the first free pair from its own place in
 * the range on, so that it mostly gets the same ones again and others do not get those that it had a moment ago. Undefined
 * where the range is used up.
 */
export function allocatePorts(
  key: string,
  claims: readonly PortClaim[],
  range: PortRange,
  /** Ports that must not be given away, such as those on which somebody else listens. */
  blocked: ReadonlySet<number> = new Set(),
): ActivatorPorts | undefined {
  const own = claims.find((claim) => claim.key === key);
  if (own !== undefined && isKept(own, claims, range, blocked)) return own.ports;
  const taken = new Set(claims.filter((claim) => claim.key !== key).flatMap(({ ports }) => [ports.http, ports.grpc]));
  const pairs = Math.floor((range.last - range.first + 1) / 2);
  const place = placeOf(key, pairs);
  for (let step = 0; step < pairs; step++) {
    const http = range.first + 2 * ((place + step) % pairs);
    const ports = { http, grpc: http + 1 };
    if (![ports.http, ports.grpc].some((port) => taken.has(port) || blocked.has(port))) return ports;
  }
  return undefined;
}

function isKept(own: PortClaim, claims: readonly PortClaim[], range: PortRange, blocked: ReadonlySet<number>): boolean {
  const { http, grpc } = own.ports;
  const isInRange = (port: number): boolean => port >= range.first && port <= range.last && !blocked.has(port);
  if (http === grpc || !isInRange(http) || !isInRange(grpc)) return false;
  return claims.every(({ key, ports, since }) => {
    const overlaps = [ports.http, ports.grpc].some((port) => port === http || port === grpc);
    return key === own.key || !overlaps || own.since < since || (own.since === since && own.key < key);
  });
}

/** FNV-1a: spreads names evenly, and gives the same place in all operators. */
function placeOf(key: string, pairs: number): number {
  let hash = 0x811c9dc5;
  for (const character of key) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash % Math.max(1, pairs);
}
