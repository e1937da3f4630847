import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import type { TestProject } from "vitest/node";
import { startSupervised, type SupervisedProcess } from "../programs/supervised-process.ts";
import { writeModels } from "./models.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Address of the replica's inference port, such as http://127.0.0.1:4711. */
    httpUrl: string;
    /** Host and port of its gRPC port; undefined if it has none. */
    grpcAddress: string | undefined;
  }
}

const ROOT = path.join(import.meta.dirname, "../..");
const READY_WITHIN_MS = 120_000;
const POLL_MS = 50;

/** One replica for all tests of the suite, in a process of its own, with the models of models.ts. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(path.join(tmpdir(), "lockstep-conformance-"));
  const config = path.join(folder, "config.json");
  await writeFile(config, JSON.stringify(await writeModels(path.join(folder, "models"))));
  const log = path.join(folder, "log");
  const environment = {
    LOCKSTEP_CONFIG: config,
    LOCKSTEP_HOST: "127.0.0.1",
    LOCKSTEP_HTTP_PORT: "0",
    LOCKSTEP_ADMIN_PORT: "0",
    LOCKSTEP_GRPC_PORT: "0",
    LOCKSTEP_MODEL_DIR: path.join(folder, "versions"),
  };
  const assignments = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const replica = startSupervised(
    "replica",
    ["env", ...assignments, process.execPath, path.join(ROOT, "runtime/main.ts")],
    log,
  );
  const stop = async (): Promise<void> => {
    await replica.stop();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const deadline = performance.now() + READY_WITHIN_MS;
    const httpPort = await portOf(replica, { log, name: "httpPort", deadline });
    const httpUrl = `http://127.0.0.1:${httpPort}`;
    await waitReady(replica, httpUrl, deadline);
    const grpcPort = portIn(log, "grpcPort");
    project.provide("httpUrl", httpUrl);
    project.provide("grpcAddress", grpcPort === undefined ? undefined : `127.0.0.1:${grpcPort}`);
  } catch (error) {
    await stop();
    throw error;
  }
  return stop;
}

/** A port that the replica's log tells of. */
function portIn(log: string, name: string): string | undefined {
  return new RegExp(`"${name}":(\\d+)`).exec(readFileSync(log, "utf8"))?.[1];
}

async function portOf(
  replica: SupervisedProcess,
  { log, name, deadline }: { readonly log: string; readonly name: string; readonly deadline: number },
): Promise<string> {
  for (;;) {
    const port = portIn(log, name);
    if (port !== undefined) return port;
    await pause(replica, deadline);
  }
}

async function waitReady(replica: SupervisedProcess, url: string, deadline: number): Promise<void> {
  while ((await fetch(`${url}/v2/health/ready`)).status !== 200) await pause(replica, deadline);
}

async function pause(replica: SupervisedProcess, deadline: number): Promise<void> {
  if (replica.isRunning() && performance.now() < deadline) return setTimeout(POLL_MS);
  throw new Error(`the replica is not ready within ${READY_WITHIN_MS / 1000} s:\n${replica.logTail()}`);
}
