import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocatePorts, type PortClaim } from "../../../../operator/sleep/port-allocation.ts";

const RANGE = { first: 20_000, last: 20_007 };

function claim(key: string, http: number, since = "2026-01-01T00:00:00Z"): PortClaim {
  return { key, ports: { http, grpc: http + 1 }, since };
}

describe("ports", () => {
  test("stay the same", () => {
    expect(allocatePorts("a", [claim("a", 20_004)], RANGE)).toEqual({ http: 20_004, grpc: 20_005 });
  });

  test.each<[why: string, claims: readonly PortClaim[], blocked: ReadonlySet<number>]>([
    ["they are out of the range", [claim("a", 30_000)], new Set()],
    ["one of them is blocked", [claim("a", 20_002)], new Set([20_003])],
    ["somebody had them earlier", [claim("a", 20_002), claim("b", 20_002, "2025-01-01T00:00:00Z")], new Set()],
    ["somebody with a lower name had them at the same time", [claim("a", 20_002), claim("A", 20_003)], new Set()],
  ])("change where %s", (_why, claims, blocked) => {
    const ports = allocatePorts("a", claims, RANGE, blocked);
    expect(ports).toBeDefined();
    expect(ports).not.toEqual(claims[0]?.ports);
  });

  test("run out", () => {
    const claims = [20_000, 20_002, 20_004, 20_006].map((http) => claim(`other-${http}`, http));
    expect(allocatePorts("a", claims, RANGE)).toBeUndefined();
  });
});

test("whatever there is: nobody gets a port of others, out of the range or blocked, and all find a place while there is one", () => {
  const keys = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(keys, fc.uniqueArray(fc.integer({ min: 20_000, max: 20_019 }), { maxLength: 4 }), (names, blocked) => {
      const range = { first: 20_000, last: 20_019 };
      const claims: PortClaim[] = [];
      for (const key of names) {
        const ports = allocatePorts(key, claims, range, new Set(blocked));
        const taken = new Set([...claims.flatMap((one) => [one.ports.http, one.ports.grpc]), ...blocked]);
        const free = Array.from({ length: 10 }, (_, pair) => 20_000 + 2 * pair).filter(
          (http) => !taken.has(http) && !taken.has(http + 1),
        );
        expect(ports === undefined).toBe(free.length === 0);
        if (ports === undefined) continue;
        expect(free).toContain(ports.http);
        expect(ports.grpc).toBe(ports.http + 1);
        claims.push({ key, ports, since: "2026-01-01T00:00:00Z" });
        // Asked again, it keeps them.
        expect(allocatePorts(key, claims, range, new Set(blocked))).toEqual(ports);
      }
    }),
  );
});

test("of two who claim the same ports just one keeps them, whoever is asked first", () => {
  const both = [claim("a", 20_002), claim("b", 20_002)];
  expect(allocatePorts("a", both, RANGE)).toEqual(both[0]?.ports);
  expect(allocatePorts("b", both, RANGE)).not.toEqual(both[0]?.ports);
});
