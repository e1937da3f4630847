import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { provideHelm } from "../../programs/helm.ts";

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(path.join(tmpdir(), "lockstep-helm-")));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

function program(...parts: string[]): string {
  const file = path.join(folder, ...parts);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, "#!/bin/sh\n");
  chmodSync(file, 0o755);
  return file;
}

test("the program that HELM names comes first", async () => {
  const named = program("my-helm");
  program("bin", "helm");
  expect(await provideHelm({ HELM: named, PATH: path.join(folder, "bin") })).toBe(named);
});

test("a name that is no program is refused, not replaced", async () => {
  program("bin", "helm");
  const environment = { HELM: path.join(folder, "nothing"), PATH: path.join(folder, "bin") };
  await expect(provideHelm(environment)).rejects.toThrow("HELM names");
});

test("then one of the PATH, in its order", async () => {
  const first = program("first", "helm");
  program("second", "helm");
  const folders = ["empty", "first", "second"].map((name) => path.join(folder, name));
  expect(await provideHelm({ PATH: folders.join(path.delimiter), HELM: "" })).toBe(first);
});

test("then the one that was built before", async () => {
  const kept = program("cache", "lockstep", "bin", "helm");
  expect(await provideHelm({ PATH: folder, XDG_CACHE_HOME: path.join(folder, "cache") })).toBe(kept);
});

test("without Go nothing can be built, and the message says what to do", async () => {
  const environment = { PATH: folder, XDG_CACHE_HOME: path.join(folder, "cache") };
  await expect(provideHelm(environment)).rejects.toThrow("install Helm 3, or Go, or name Helm's program in HELM");
});
