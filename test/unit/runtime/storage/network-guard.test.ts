import type { LookupAddress } from "node:dns";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RUNTIME_VARIABLES } from "../../../../runtime/config.ts";
import { embeddedIpv4Addresses } from "../../../../runtime/storage/ip-address.ts";
import {
  createNetworkGuard,
  NetworkDeniedError,
  type NetworkGuard,
} from "../../../../runtime/storage/network-guard.ts";

const deny = RUNTIME_VARIABLES.LOCKSTEP_STORAGE_DENY.parse(RUNTIME_VARIABLES.LOCKSTEP_STORAGE_DENY.fallback ?? "");

function lookUp(guard: NetworkGuard, host: string, options: { all?: boolean; family?: number } = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guard.lookup(host, options, (error, address, family) => {
      if (error === null) resolve(options.all === true ? address : [address, family]);
      else reject(error);
    });
  });
}

describe("the default list forbids", () => {
  test.each([
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "::1",
    "[::1]",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "[::ffff:a9fe:a9fe]",
    "0:0:0:0:0:ffff:169.254.169.254",
    "::127.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "2002:7f00:0001::",
    "::ffff:0:127.0.0.1",
  ])("%s", (host) => {
    expect(() => createNetworkGuard(deny).checkLiteral(host)).toThrow(NetworkDeniedError);
  });
});

test.each(["10.0.0.1", "192.168.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "minio.storage", "fd00::1"])(
  "the default list allows %s",
  (host) => {
    expect(() => createNetworkGuard(deny).checkLiteral(host)).not.toThrow();
  },
);

test("a name is refused if any of its addresses is forbidden, whichever family is wanted", async () => {
  const addresses: LookupAddress[] = [
    { address: "93.184.215.14", family: 4 },
    { address: "::ffff:169.254.169.254", family: 6 },
  ];
  const guard = createNetworkGuard(deny, () => Promise.resolve(addresses));
  await expect(lookUp(guard, "rebind.example")).rejects.toThrow(
    /rebind\.example.*169\.254\.0\.0\/16.*LOCKSTEP_STORAGE_DENY/,
  );
  await expect(lookUp(guard, "rebind.example", { all: true, family: 4 })).rejects.toThrow(NetworkDeniedError);
});

test("the addresses that are connected to are those that were checked: the name is resolved once", async () => {
  let asked = 0;
  const guard = createNetworkGuard(deny, () => {
    asked += 1;
    return Promise.resolve([{ address: asked === 1 ? "93.184.215.14" : "127.0.0.1", family: 4 }]);
  });
  await expect(lookUp(guard, "rebind.example")).resolves.toEqual(["93.184.215.14", 4]);
  expect(asked).toBe(1);
  await expect(lookUp(guard, "rebind.example")).rejects.toThrow(NetworkDeniedError);
});

test("a name without an address of the wanted family does not resolve", async () => {
  const guard = createNetworkGuard([], () => Promise.resolve([{ address: "93.184.215.14", family: 4 }]));
  await expect(lookUp(guard, "v4.example", { family: 6 })).rejects.toMatchObject({ code: "ENOTFOUND" });
  await expect(lookUp(guard, "v4.example", { all: true })).resolves.toEqual([{ address: "93.184.215.14", family: 4 }]);
});

test.each(["10.0.0.0/33", "10.0.0/8", "fd00::/129", "x", "", "10.0.0.0/8/8", "10.0.0.0/", "10.0.0.0/-1"])(
  "%j is no network",
  (text) => {
    expect(() => createNetworkGuard([text])).toThrow(/LOCKSTEP_STORAGE_DENY.*10\.0\.0\.0\/8/);
  },
);

test("an IPv4 address is found in every IPv6 address that leads to it", () => {
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      for (const prefix of ["::ffff:", "::", "64:ff9b::", "::ffff:0:"])
        expect(embeddedIpv4Addresses(`${prefix}${address}`)).toEqual([address]);
    }),
  );
  expect(embeddedIpv4Addresses("2606:4700::1111")).toEqual([]);
  expect(embeddedIpv4Addresses("127.0.0.1")).toEqual([]);
});
