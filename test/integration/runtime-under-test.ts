import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { STATE_PATH, parseReplicaReport, type ReplicaState } from "../../common/admin-api.ts";
import { TestProcess } from "../fixtures/test-process.ts";

export const ROOT = path.join(import.meta.dirname, "../..");
export const EXAMPLES = path.join(ROOT, "examples");

/** How long anything in these tests may take. */
const DEADLINE_MS = 30_000;
const POLL_MS = 20;

/** A folder that is gone after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), "lockstep-runtime-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A process that does not outlive the test. */
export class ProcessUnderTest extends TestProcess {
  constructor(...options: ConstructorParameters<typeof TestProcess>) {
    super(...options);
    onTestFinished(() => this.end("SIGKILL"));
  }

  /** Waits until the output matches, and gives the first group. Throws if the process ends before. */
  async waitFor(pattern: RegExp): Promise<string> {
    return await eventually(
      () => {
        const match = pattern.exec(this.output);
        if (match === null && this.child.exitCode !== null) throw new Error(`it ended:\n${this.output}`);
        return match === null ? undefined : (match[1] ?? match[0]);
      },
      () => `output that matches ${pattern}, got:\n${this.output}`,
    );
  }
}

/** A replica's own process. */
export interface ReplicaUnderTest {
  readonly process: ProcessUnderTest;
  readonly url: string;
  readonly state: () => Promise<ReplicaState>;
}

/** A replica's own process, with ports of the system's choice. `launcher` is as {@link TestProcess} has it. */
export async function startReplicaProcess(
  environment: Readonly<Record<string, string>>,
  launcher: readonly string[] = [],
): Promise<ReplicaUnderTest> {
  const replica = new ProcessUnderTest(
    [path.join(ROOT, "runtime/main.ts")],
    {
      LOCKSTEP_HOST: "127.0.0.1",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_ADMIN_PORT: "0",
      LOCKSTEP_GRPC_PORT: "0",
      LOCKSTEP_MODEL_DIR: await temporaryFolder(),
      ...environment,
    },
    launcher,
  );
  const adminUrl = `http://127.0.0.1:${await replica.waitFor(/"adminPort":(\d+)/)}${STATE_PATH}`;
  return {
    process: replica,
    url: `http://127.0.0.1:${await replica.waitFor(/"httpPort":(\d+)/)}`,
    state: async () => parseReplicaReport(await (await fetch(adminUrl)).json()).state,
  };
}

/** Asks again and again until there is an answer; throws after a time in which there should have been one. */
export async function eventually<T>(
  ask: () => T | undefined | Promise<T | undefined>,
  expected: () => string,
): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`expected ${expected()}`);
    await setTimeout(POLL_MS);
  }
}

/** An inference request in JSON. */
export function inferBody(name: string, datatype: string, data: readonly unknown[], shape = [data.length]): string {
  return JSON.stringify({ inputs: [{ name, datatype, shape, data }] });
}

export async function infer(url: string, model: string, body: string): Promise<Response> {
  return await fetch(`${url}/v2/models/${model}/infer`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
}
