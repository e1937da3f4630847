import { expect, test } from "vitest";
import { parseStat, treeOf, type ProcessStat } from "../../../bench/process-tree.ts";

test("a name with spaces and parentheses does not move the fields", () => {
  const stat = "42 (a (strange) name) S 7 42 42 0 -1 4194304 100 0 0 0 11 22 3 4 20 0 1 0 12345 1000 10";
  expect(parseStat(stat)).toEqual({ pid: 42, parent: 7, cpuTicks: 40 });
});

test("a tree is its root and all below it, parents first", () => {
  const stats: ProcessStat[] = [
    { pid: 5, parent: 3, cpuTicks: 0 },
    { pid: 1, parent: 0, cpuTicks: 0 },
    { pid: 3, parent: 2, cpuTicks: 0 },
    { pid: 2, parent: 1, cpuTicks: 0 },
    { pid: 4, parent: 1, cpuTicks: 0 },
  ];
  expect(treeOf(2, stats).map(({ pid }) => pid)).toEqual([2, 3, 5]);
  expect(treeOf(9, stats)).toEqual([]);
});
