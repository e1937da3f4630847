import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readMemoryState } from "../../../runtime/memory-state.ts";

const MEMINFO = "MemTotal:       8000 kB\nMemFree:         100 kB\nMemAvailable:   6000 kB\n";
const SYSTEM = { limitBytes: 8_000 * 1024, usedBytes: 2_000 * 1024 };

/** A file system in which only these files are. */
async function systemWith(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(path.join(tmpdir(), "lockstep-memory-"));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), content);
  }
  return root;
}

const v2 = (folder: string, max: string, current: number, inactive: number): Record<string, string> => ({
  [`sys/fs/cgroup/${folder}memory.max`]: `${max}\n`,
  [`sys/fs/cgroup/${folder}memory.current`]: `${current}\n`,
  [`sys/fs/cgroup/${folder}memory.stat`]: `anon 1\ninactive_file ${inactive}\nactive_file 7\n`,
});
const v1 = (folder: string, limit: string, usage: number, inactive: number): Record<string, string> => ({
  [`sys/fs/cgroup/memory/${folder}memory.limit_in_bytes`]: `${limit}\n`,
  [`sys/fs/cgroup/memory/${folder}memory.usage_in_bytes`]: `${usage}\n`,
  [`sys/fs/cgroup/memory/${folder}memory.stat`]: `inactive_file 1\ntotal_inactive_file ${inactive}\n`,
});
const V1_GROUPS = "12:cpu,cpuacct:/kubepods/pod1\n5:memory:/kubepods/pod1/abc\n1:name=systemd:/x\n";

test.each<[string, Readonly<Record<string, string>>, unknown]>([
  [
    "a container's own limit (v2), without the cache that can be given back",
    { "proc/self/cgroup": "0::/\n", "proc/meminfo": MEMINFO, ...v2("", "1000000", 700_000, 200_000) },
    { limitBytes: 1_000_000, usedBytes: 500_000 },
  ],
  [
    "the limit of a group above (v2), where less is free",
    {
      "proc/self/cgroup": "0::/pods/one\n",
      "proc/meminfo": MEMINFO,
      ...v2("pods/one/", "1000000", 300_000, 0),
      ...v2("pods/", "1500000", 1_200_000, 0),
    },
    { limitBytes: 1_500_000, usedBytes: 1_200_000 },
  ],
  [
    "no limit (v2): the system's",
    { "proc/self/cgroup": "0::/\n", "proc/meminfo": MEMINFO, ...v2("", "max", 700_000, 200_000) },
    SYSTEM,
  ],
  [
    "a limit that the system has not: the system's",
    { "proc/self/cgroup": "0::/\n", "proc/meminfo": MEMINFO, ...v2("", "100000000", 700_000, 0) },
    SYSTEM,
  ],
  [
    "a container's limit (v1), whose group has the host's name",
    { "proc/self/cgroup": V1_GROUPS, "proc/meminfo": MEMINFO, ...v1("", "1000000", 600_000, 100_000) },
    { limitBytes: 1_000_000, usedBytes: 500_000 },
  ],
  [
    "the limit of a group (v1) on the host",
    {
      "proc/self/cgroup": V1_GROUPS,
      "proc/meminfo": MEMINFO,
      ...v1("kubepods/pod1/abc/", "1000000", 600_000, 100_000),
      ...v1("", "9223372036854771712", 9_000_000, 0),
    },
    { limitBytes: 1_000_000, usedBytes: 500_000 },
  ],
  [
    "no limit (v1)",
    { "proc/self/cgroup": V1_GROUPS, "proc/meminfo": MEMINFO, ...v1("", "9223372036854771712", 1, 0) },
    SYSTEM,
  ],
  ["no control groups", { "proc/meminfo": MEMINFO }, SYSTEM],
  ["nothing that tells", {}, undefined],
  [
    "nonsense",
    {
      "proc/self/cgroup": "0::/../..\n",
      "proc/meminfo": "MemTotal: many\n",
      ...v2("", "1", 0, 0),
      "sys/fs/cgroup/memory.current": "?",
    },
    undefined,
  ],
])("%s", async (_, files, expected) => {
  expect(await readMemoryState(await systemWith(files))).toEqual(expected);
});

test.runIf(process.platform === "linux")("this machine has memory", async () => {
  const state = await readMemoryState();
  expect(state?.limitBytes).toBeGreaterThan(64 * 1024 ** 2);
  expect(state?.usedBytes).toBeGreaterThan(0);
  expect(state?.usedBytes).toBeLessThan(state?.limitBytes ?? 0);
});
