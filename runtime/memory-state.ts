import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { MemoryState } from "./core/memory-need.ts";

/**
 * Reads how much memory the process may use and how much is used, where the least is free: in its control group, in one above it
 * (v2 or v1), or in the system. Undefined where the system is not Linux, or tells nothing. `root` is where the file
 * system begins. Never rejects.
 */
export async function readMemoryState(root = "/"): Promise<MemoryState | undefined> {
  const groups = parseGroups(await read(join(root, "proc/self/cgroup")));
  const states = await Promise.all([
    ...foldersOf(groups.v2).map((folder) => readV2(join(root, "sys/fs/cgroup", folder))),
    ...foldersOf(groups.v1).map((folder) => readV1(join(root, "sys/fs/cgroup/memory", folder))),
    readSystem(join(root, "proc/meminfo")),
  ]);
  const known = states.filter((state) => state !== undefined);
  return known.reduce<MemoryState | undefined>(
    (least, state) => (least === undefined || freeOf(state) < freeOf(least) ? state : least),
    undefined,
  );
}

function freeOf({ limitBytes, usedBytes }: MemoryState): number {
  return limitBytes - usedBytes;
}

/** The process's groups; undefined where it has none of the kind. */
function parseGroups(text: string): { readonly v2: string | undefined; readonly v1: string | undefined } {
  return {
    v2: /^0::(.*)$/m.exec(text)?.[1],
    v1: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(.*)$/m.exec(text)?.[1],
  };
}

/** A group and those above it. In a container the name may be the host's, of which only the top is to be seen. */
function foldersOf(group: string | undefined): readonly string[] {
  if (group === undefined) return [];
  const names = group.split("/").filter((name) => name !== "" && name !== "..");
  return names.map((_, index) => names.slice(0, index + 1).join("/")).concat("");
}

async function readV2(folder: string): Promise<MemoryState | undefined> {
  const [limit, current, stat] = await Promise.all(
    ["memory.max", "memory.current", "memory.stat"].map((name) => read(join(folder, name))),
  );
  return stateOf(numberIn(limit), numberIn(current), fieldIn(stat, "inactive_file"));
}

async function readV1(folder: string): Promise<MemoryState | undefined> {
  const [limit, current, stat] = await Promise.all(
    ["memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat"].map((name) => read(join(folder, name))),
  );
  return stateOf(numberIn(limit), numberIn(current), fieldIn(stat, "total_inactive_file"));
}

async function readSystem(file: string): Promise<MemoryState | undefined> {
  const text = await read(file);
  const [total, available] = [fieldIn(text, "MemTotal:"), fieldIn(text, "MemAvailable:")];
  if (total === undefined || available === undefined) return undefined;
  return { limitBytes: total * 1024, usedBytes: (total - available) * 1024 };
}

/** A limit as large as v1 writes for none is none either way: the system has less. */
function stateOf(
  limitBytes: number | undefined,
  currentBytes: number | undefined,
  inactiveFileBytes = 0,
): MemoryState | undefined {
  if (limitBytes === undefined || currentBytes === undefined) return undefined;
  return { limitBytes, usedBytes: Math.max(0, currentBytes - inactiveFileBytes) };
}

function numberIn(text = ""): number | undefined {
  return /^\d+\s*$/.test(text) ? Number(text) : undefined;
}

function fieldIn(text: string | undefined, name: string): number | undefined {
  const line = text?.split("\n").find((each) => each.split(/\s+/)[0] === name);
  const value = line?.split(/\s+/)[1];
  return value === undefined ? undefined : numberIn(value);
}

/** Empty if it cannot be read. */
async function read(file: string): Promise<string> {
  return await readFile(file, "utf8").catch(() => "");
}
