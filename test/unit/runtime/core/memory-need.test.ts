import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MemoryGuard } from "../../../../runtime/core/memory-guard.ts";
import { memoryNeedOf, memoryShortage, type MemoryState } from "../../../../runtime/core/memory-need.ts";

const MIB = 1024 ** 2;
const version = (sizeMib: number, modelMib = sizeMib) => ({
  sizeBytes: sizeMib * MIB,
  modelSizeBytes: modelMib * MIB,
});
const memory = (usedMib: number, limitMib: number): MemoryState => ({
  usedBytes: usedMib * MIB,
  limitBytes: limitMib * MIB,
});
const beside = { reservedBytes: 0, isOnly: false };
const only = { reservedBytes: 0, isOnly: true };

describe("whether there is memory for a version", () => {
  test("what is needed is the instances' own and twice the files, for each", () => {
    expect(memoryNeedOf(version(100), 1)).toBe(224 * MIB);
    expect(memoryNeedOf(version(100), 3)).toBe(672 * MIB);
  });

  const rows: readonly [string, ReturnType<typeof memoryShortage>, string | undefined][] = [
    ["it fits to the byte", memoryShortage(version(100), 1, memory(256, 512), beside), undefined],
    [
      "it does not fit beside what answers",
      memoryShortage(version(100), 1, memory(257, 512), beside),
      "to load it beside what answers takes about 256 MiB, and 255 MiB of 512 MiB are free",
    ],
    [
      "other loads are under way",
      memoryShortage(version(100), 1, memory(100, 512), { reservedBytes: 200 * MIB, isOnly: false }),
      "to load it beside what answers takes about 256 MiB, and 212 MiB of 512 MiB are free",
    ],
    [
      "more is used than may be",
      memoryShortage(version(1), 1, memory(600, 512), beside),
      "to load it beside what answers takes about 58 MiB, and 0 MiB of 512 MiB are free",
    ],
    ["nothing else answers: it is tried", memoryShortage(version(500), 1, memory(200, 512), only), undefined],
    [
      "nothing else answers, and it cannot fit",
      memoryShortage(version(600, 513), 1, memory(200, 512), only),
      "the model's file has 513 MiB, and the limit is 512 MiB",
    ],
    [
      "nothing else answers, and only its companions are too large",
      memoryShortage(version(600, 1), 1, memory(200, 512), only),
      undefined,
    ],
  ];
  test.each(rows)("%s", (_, got, expected) => {
    expect(got).toBe(expected);
  });

  test("more room, smaller files and fewer instances never make it worse", () => {
    const mib = fc.integer({ min: 0, max: 2_000 });
    fc.assert(
      fc.property(
        mib,
        mib,
        mib,
        fc.integer({ min: 1, max: 4 }),
        fc.boolean(),
        (size, used, limit, instances, isOnly) => {
          if (memoryShortage(version(size), instances, memory(used, limit), { ...beside, isOnly }) !== undefined)
            return;
          const better = [
            memoryShortage(version(size), instances, memory(used, limit + 1), { ...beside, isOnly }),
            memoryShortage(version(size), instances, memory(Math.max(0, used - 1), limit), { ...beside, isOnly }),
            memoryShortage(version(Math.max(0, size - 1)), instances, memory(used, limit), { ...beside, isOnly }),
            memoryShortage(version(size), Math.max(1, instances - 1), memory(used, limit), { ...beside, isOnly }),
            memoryShortage(version(size), instances, memory(used, limit), { ...beside, isOnly: true }),
          ];
          expect(new Set(better)).toEqual(new Set([undefined]));
        },
      ),
    );
  });
});

describe("the guard", () => {
  test("keeps what it has set aside from others, until it is given back, once", async () => {
    const guard = new MemoryGuard(() => Promise.resolve(memory(0, 512)));
    const first = await guard.reserve(version(100), 1, false);
    const second = await guard.reserve(version(100), 1, false);
    await expect(guard.reserve(version(100), 1, false)).rejects.toMatchObject({
      reason: "OutOfMemory",
      message: "to load it beside what answers takes about 256 MiB, and 64 MiB of 512 MiB are free",
    });
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    using third = await guard.reserve(version(100), 1, false);
    await expect(guard.reserve(version(100), 1, false)).rejects.toMatchObject({ reason: "OutOfMemory" });
    second[Symbol.dispose]();
    expect(third).toBeDefined();
  });

  test("lets in whatever comes where it cannot be known", async () => {
    const guard = new MemoryGuard(() => Promise.resolve(undefined));
    using reserved = await guard.reserve(version(1_000_000), 4, false);
    expect(reserved).toBeDefined();
  });
});
