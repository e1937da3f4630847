import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import { BlockList, isIP, isIPv4, type LookupFunction } from "node:net";
import { embeddedIpv4Addresses } from "./ip-address.ts";

/** A connection that LOCKSTEP_STORAGE_DENY forbids; nothing was sent. */
export class NetworkDeniedError extends Error {
  override name = "NetworkDeniedError";
  readonly code = "ELOCKSTEPDENIED";

  constructor(host: string, address: string, network: string) {
    const what = host === address ? address : `${host} (${address})`;
    super(`${what} lies in ${network}, a network that LOCKSTEP_STORAGE_DENY forbids`);
  }
}

/** Resolves a name to all its addresses. */
export type ResolveHost = (host: string) => Promise<readonly LookupAddress[]>;

/** Decides where connections may lead. It looks at the very addresses that are then connected to. */
export interface NetworkGuard {
  /** Throws {@link NetworkDeniedError} if the host is written as an address and that is forbidden. */
  checkLiteral(host: string): void;
  /** Resolves for `net.connect`; fails if any of the name's addresses is forbidden. */
  readonly lookup: LookupFunction;
}

/** The system's resolver, which heeds /etc/hosts and search domains. */
export const resolveBySystem: ResolveHost = (host) =>
  new Promise((resolve, reject) => {
    dnsLookup(host, { all: true }, (error, addresses) => (error === null ? resolve(addresses) : reject(error)));
  });

/**
 * Makes a guard for a list of networks such as 127.0.0.0/8 or fe80::/10; a bare address is a network of its own.
 * Throws RangeError for anything else.
 */
export function createNetworkGuard(deny: readonly string[], resolve: ResolveHost = resolveBySystem): NetworkGuard {
  const networks = deny.map(parseNetwork);
  const check = (host: string, address: string): void => {
    for (const candidate of [address, ...embeddedIpv4Addresses(address)]) {
      const family = isIPv4(candidate) ? "ipv4" : "ipv6";
      const hit = networks.find((network) => network.family === family && network.list.check(candidate, family));
      if (hit !== undefined) throw new NetworkDeniedError(host, address, hit.text);
    }
  };
  return {
    checkLiteral: (host) => {
      const address = host.replace(/^\[(.*)\]$/, "$1");
      if (isIP(address) !== 0) check(address, withoutZone(address));
    },
    lookup: (host, options, answer) => {
      const decide = async (): Promise<readonly LookupAddress[]> => {
        const addresses = await resolve(host);
        for (const { address } of addresses) check(host, withoutZone(address));
        const wanted = addresses.filter(({ family }) => !options.family || family === familyNumber(options.family));
        if (wanted.length === 0) throw notFound(host);
        return wanted;
      };
      const tell = async (): Promise<void> => {
        let addresses: readonly LookupAddress[];
        try {
          addresses = await decide();
        } catch (error) {
          return answer(error instanceof Error ? error : new Error(String(error)), "");
        }
        const [first] = addresses;
        return options.all === true ? answer(null, [...addresses]) : answer(null, first?.address ?? "", first?.family);
      };
      void tell();
    },
  };
}

interface Network {
  readonly text: string;
  readonly family: "ipv4" | "ipv6";
  readonly list: BlockList;
}

/** Whether a text is a network such as 10.0.0.0/8 or fd00::/8, or an address. */
export function isNetwork(text: string): boolean {
  return readNetwork(text) !== undefined;
}

function parseNetwork(text: string): Network {
  const network = readNetwork(text);
  if (network !== undefined) return network;
  throw new RangeError(`LOCKSTEP_STORAGE_DENY: expected networks such as 10.0.0.0/8 or fd00::/8, got "${text}"`);
}

function readNetwork(text: string): Network | undefined {
  const [address = "", bits, ...more] = text.split("/");
  const version = isIP(address);
  const width = version === 4 ? 32 : 128;
  const length = bits === undefined ? width : Number(bits);
  if (version === 0 || more.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits)) || length > width)
    return undefined;
  const family = version === 4 ? "ipv4" : "ipv6";
  const list = new BlockList();
  list.addSubnet(address, length, family);
  return { text, family, list };
}

function withoutZone(address: string): string {
  return address.replace(/%.*$/, "");
}

function familyNumber(family: number | "IPv4" | "IPv6"): number {
  return family === "IPv4" ? 4 : family === "IPv6" ? 6 : family;
}

function notFound(host: string): Error {
  return Object.assign(new Error(`no address for ${host}`), { code: "ENOTFOUND" });
}
