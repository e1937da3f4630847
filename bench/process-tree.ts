import { readdirSync, readFileSync } from "node:fs";

/** What a process and its descendants have used so far. Linux only. */
export interface TreeUsage {
  /** CPU time, user and system, of all threads; that of children that ended is in their parents'. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** Fields of /proc/PID/stat; times are in ticks. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly cpuTicks: number;
}

/** USER_HZ, which Linux has on every architecture that Node.js runs on. */
const TICKS_PER_SECOND = 100;

/** Adds up a tree. Throws if its root is not there. */
export function usageOfTree(root: number): TreeUsage {
  const tree = treeOf(root, readStats());
  if (tree.length === 0) throw new Error(`expected process ${root} to run, got none`);
  return {
    cpuSeconds: tree.reduce((sum, { cpuTicks }) => sum + cpuTicks, 0) / TICKS_PER_SECOND,
    residentBytes: tree.reduce((sum, { pid }) => sum + residentBytesOf(pid), 0),
  };
}

/** The processes of a tree, children before parents: so they may be ended. */
export function pidsOfTree(root: number): number[] {
  return treeOf(root, readStats())
    .map(({ pid }) => pid)
    .reverse();
}

/** The root and its descendants, parents before children. */
export function treeOf(root: number, stats: readonly ProcessStat[]): ProcessStat[] {
  const tree = stats.filter(({ pid }) => pid === root);
  for (let index = 0; index < tree.length; index++) {
    const parent = tree[index]?.pid;
    tree.push(...stats.filter((each) => each.parent === parent));
  }
  return tree;
}

/** Reads a /proc/PID/stat; the command's name, in parentheses, may hold anything. */
export function parseStat(text: string): ProcessStat {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // Counted from the state, which is the third field: the parent is the fourth; utime to cstime are 14 to 17.
  const ticks = fields.slice(11, 15).map(Number);
  return { pid, parent: Number(fields[1]), cpuTicks: ticks.reduce((sum, each) => sum + each, 0) };
}

function readStats(): ProcessStat[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name))
    .flatMap((name) => {
      const text = readOrNothing(`/proc/${name}/stat`);
      return text === "" ? [] : [parseStat(text)];
    });
}

function residentBytesOf(pid: number): number {
  const [, kibibytes = "0"] = /^VmRSS:\s+(\d+) kB/m.exec(readOrNothing(`/proc/${pid}/status`)) ?? [];
  return Number(kibibytes) * 1024;
}

/** A process may end at any time. */
function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
