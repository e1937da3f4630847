import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { FetchedVersion } from "../../../../runtime/core/repository.ts";
import { DEFAULT_DOWNLOAD_POLICY } from "../../../../runtime/storage/download-policy.ts";
import { StorageFailure } from "../../../../runtime/storage/storage-failure.ts";
import { FaultyStore, fetchInto, sha256, type Fault } from "./faulty-store.ts";

const EXPECTED = new Set<string>(["StorageUnreachable", "ChecksumMismatch"]);

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "lockstep-fetcher-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("whatever breaks, and whenever a process ends: never a mix of states, never a wrong digest", async () => {
  const position = fc.integer({ min: 0, max: 120 });
  const fault: fc.Arbitrary<Fault> = fc.oneof(
    fc.record({ cutAfter: position }),
    fc.record({ endAfter: position }),
    fc.record({ cutAfter: position, replace: fc.constant(true) }),
    fc.record({ ignoreRange: fc.constant(true), cutAfter: position }),
    fc.record({ ignoreIfMatch: fc.constant(true), ignoreRange: fc.boolean() }),
    fc.record({ damage: fc.constant(true) }),
    fc.constant({}),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fault, { maxLength: 12 }),
      fc.integer({ min: 1, max: 5 }),
      fc.boolean(),
      async (faults, maxAttempts, announce) => {
        rmSync(join(folder, "digits"), { recursive: true, force: true });
        const store = new FaultyStore({ "model.onnx": 100, "w.bin": 60 });
        store.announce = announce;
        // Without digests of the storage nobody can tell a byte that changed on the way.
        store.faults = announce ? faults : faults.filter(({ damage }) => damage !== true);
        const policy = { ...DEFAULT_DOWNLOAD_POLICY, firstDelayMs: 0, checkpointBytes: 14, maxAttempts };
        for (let call = 0; call < 20; call++) {
          const outcome = await fetchInto(folder, store, { policy }).catch((error: unknown) => error);
          if (outcome instanceof StorageFailure && EXPECTED.has(outcome.reason)) continue;
          const { modelFile, digest } = outcome as FetchedVersion;
          const model = await readFile(modelFile);
          const weights = await readFile(join(modelFile, "../w.bin"));
          const generations = Array.from({ length: store.generation + 1 }, (_, generation) => generation);
          const of = generations.find((generation) => model.equals(store.content("model.onnx", generation)));
          expect(of).toBeDefined();
          expect(weights.equals(store.content("w.bin", of))).toBe(true);
          expect(digest).toBe(sha256(model));
          return;
        }
        expect.unreachable("with no fault left a fetch must succeed");
      },
    ),
    { numRuns: 40 },
  );
}, 60_000);
