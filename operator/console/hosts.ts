import { isIP } from "node:net";

/**
 * Whether a request's Host header names this console. A page of a stranger whose own name leads here (DNS rebinding) sends that
 * name; addresses, names of this machine and of the cluster cannot be a stranger's. `allowed` are more names, without ports.
 */
export function isOwnHost(header: string | undefined, allowed: readonly string[], clusterDomain: string): boolean {
  const name = hostName(header ?? "");
  if (name === undefined) return false;
  if (isIP(name) !== 0 || !name.includes(".")) return true;
  if (name.endsWith(".localhost") || name.endsWith(".svc") || name.endsWith(`.svc.${clusterDomain}`)) return true;
  return allowed.some((each) => each.toLowerCase() === name);
}

/** `NAME:PORT` or `[ADDRESS]:PORT` without the port; undefined where it is neither. */
function hostName(header: string): string | undefined {
  const [, bracketed, plain] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{1,5})?$/i.exec(header) ?? [];
  return (bracketed ?? plain)?.toLowerCase();
}
