import { expect, test } from "vitest";
import { createLoad, type Load } from "../../../../operator/load/load.ts";
import { newPrivateKeyPem } from "../../../../operator/replicas/command-signer.ts";
import { createLogger } from "../../../../common/logger.ts";
import { VirtualClock } from "../controller/virtual-clock.ts";

interface Started {
  readonly load: Load;
  readonly clock: VirtualClock;
  readonly looks: () => number;
  readonly warnings: readonly string[];
}

function start(privateKeyPem: (signal: AbortSignal) => Promise<string>): Started {
  const clock = new VirtualClock();
  const warnings: string[] = [];
  let looks = 0;
  const load = createLoad({
    world: {
      inferenceServices: () => {
        looks++;
        return [];
      },
      podsOf: () => [],
    },
    isNeeded: () => true,
    intervalMs: 1_000,
    privateKeyPem,
    logger: createLogger({
      name: "operator",
      level: "warn",
      destination: { write: (line) => void warnings.push(line) },
    }),
    clock,
  });
  load.start();
  return { load, clock, looks: () => looks, warnings };
}

test("asks nobody before the operator's key is there, and tries again until it is", async () => {
  let isThere = false;
  const { load, clock, looks, warnings } = start(() =>
    isThere ? Promise.resolve(newPrivateKeyPem()) : Promise.reject(new Error("the API server is away")),
  );
  await clock.advance(11_000);
  expect([looks(), warnings.length]).toEqual([0, 3]);
  expect(load.loadOf("blue/digits")).toEqual([]);
  isThere = true;
  await clock.advance(5_000);
  await clock.advance(10_000);
  expect(looks()).toBeGreaterThanOrEqual(10);
  expect(warnings).toHaveLength(3);
  await load.stop();
  expect(clock.pending).toBe(0);
});

test("ends while it waits for the key", async () => {
  const { load, clock, looks } = start(
    (signal) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      }),
  );
  await clock.advance(1_000);
  await load.stop();
  expect([looks(), clock.pending]).toEqual([0, 0]);
});
