import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, inject, test } from "vitest";
import { runProgram, type ProgramResult } from "../programs/run-program.ts";

/** The operator as a process: what it says when it cannot start, and how it ends. */
const MAIN = path.join(import.meta.dirname, "../../operator/main.ts");
/** Without a kubeconfig and a service account. */
const HOME = mkdtempSync(path.join(tmpdir(), "lockstep-operator-process-"));
afterAll(() => rmSync(HOME, { recursive: true }));

const GOOD = {
  LOCKSTEP_RUNTIME_IMAGE: "example.test/lockstep/runtime:1",
  LOCKSTEP_LEADER_ELECTION: "false",
  LOCKSTEP_HTTP_PORT: "0",
  LOCKSTEP_CONSOLE_PORT: "0",
};

function start(environment: Readonly<Record<string, string>>): Promise<ProgramResult> {
  return runProgram([process.execPath, MAIN], { env: { HOME, PATH: process.env["PATH"], ...environment } });
}

describe("an operator that cannot start says why, in a line for each fault, and ends with status 1:", () => {
  test.each<[string, Readonly<Record<string, string>>, readonly RegExp[]]>([
    ["a variable is missing", {}, [/^LOCKSTEP_RUNTIME_IMAGE is not set: Image of the serving runtime/]],
    [
      "several are wrong",
      { LOCKSTEP_CONCURRENT_RECONCILES: "many", LOCKSTEP_LEADER_ELECTION: "maybe", LOCKSTEP_LOG_LEVEL: "loud" },
      [
        /^LOCKSTEP_RUNTIME_IMAGE is not set/,
        /^LOCKSTEP_LEADER_ELECTION: expected true or false$/,
        /^LOCKSTEP_CONCURRENT_RECONCILES: expected a whole number from 1 to 64$/,
        /^LOCKSTEP_LOG_LEVEL: expected one of debug, info, warn, error, silent$/,
      ],
    ],
    ["nobody says where its Lease is", { ...GOOD, LOCKSTEP_LEADER_ELECTION: "true" }, [/^POD_NAMESPACE is not set: /]],
    [
      "nobody says where the API server is",
      GOOD,
      [/^expected a pod's service account, \$KUBECONFIG or ~\/\.kube\/config to say where the API server is$/],
    ],
    [
      "the kubeconfig is not there",
      { ...GOOD, KUBECONFIG: path.join(HOME, "missing") },
      [/^the kubeconfig cannot be read: ENOENT/],
    ],
  ])("%s", { timeout: 60_000 }, async (_sentence, environment, expected) => {
    const { status, stdout, stderr } = await start(environment);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    const lines = stderr.trimEnd().split("\n");
    expect(lines).toHaveLength(expected.length);
    for (const [index, line] of lines.entries()) expect(line).toMatch(expected[index] ?? /^$/);
  });

  test("the kubeconfig is none", async () => {
    const file = path.join(HOME, "none");
    writeFileSync(file, "clusters: 7\n");
    const { status, stderr } = await start({ ...GOOD, KUBECONFIG: file });
    expect(status).toBe(1);
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining("kubeconfig")]);
  });

  test("its port is taken", async () => {
    const other = createServer().listen(0);
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const { status, stderr } = await start({
      ...GOOD,
      KUBECONFIG: inject("kubeconfig"),
      LOCKSTEP_HTTP_PORT: String(port),
    });
    other.close();
    expect(status).toBe(1);
    expect(stderr.trimEnd().split("\n")).toEqual([expect.stringContaining(`address already in use :::${port}`)]);
  });
});

test("an operator that is told to stop does so in good order, and ends with status 0", async () => {
  const child = spawn(process.execPath, [MAIN], {
    env: { ...process.env, ...GOOD, KUBECONFIG: inject("kubeconfig"), LOCKSTEP_WATCH_NAMESPACES: "default" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines: { level: string; msg: string }[] = [];
  let rest = "";
  let isTold = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    const parts = (rest + text).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) lines.push(JSON.parse(line) as { level: string; msg: string });
    const isUp = ["reconciling", "operator started"].every((each) => lines.some(({ msg }) => msg === each));
    if (isUp && !isTold) isTold = child.kill("SIGTERM");
  });
  const deadline = setTimeout(() => child.kill("SIGKILL"), 40_000);
  const [code] = (await once(child, "close")) as [number | null];
  clearTimeout(deadline);
  expect(code).toBe(0);
  expect(lines.map(({ msg }) => msg).toSorted()).toEqual(["operator started", "reconciling", "stopping"]);
  expect(new Set(lines.map(({ level }) => level))).toEqual(new Set(["info"]));
});
