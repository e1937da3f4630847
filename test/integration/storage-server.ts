import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePorts } from "../programs/free-ports.ts";
import { startSupervised } from "../programs/supervised-process.ts";

const MAX_STARTS = 3;

/** A server for tests, on 127.0.0.1. */
export interface StorageServer extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` */
  readonly endpoint: string;
  /** Where it keeps what it stores; removed with it. */
  readonly directory: string;
}

/** How to start a server. */
export interface StorageServerOptions {
  /** In messages. */
  readonly name: string;
  /** The program and its arguments. */
  readonly command: (port: number, directory: string) => readonly string[] | Promise<readonly string[]>;
  /** A path that is answered, with any status, once it serves. */
  readonly probe: string;
  /** Default: 20 s. */
  readonly startWithinMs?: number;
}

/** Starts a server that never outlives the tests. Rejects with what it wrote if it does not answer in time. */
export async function startStorageServer(options: StorageServerOptions): Promise<StorageServer> {
  for (let start = 1; ; start++) {
    const [port = 0] = await freePorts(1);
    const directory = await mkdtemp(path.join(tmpdir(), "lockstep-server-"));
    const log = path.join(directory, "log");
    const child = startSupervised(options.name, await options.command(port, directory), log);
    const stop = async (): Promise<void> => {
      await child.stop();
      await rm(directory, { recursive: true, force: true });
    };
    const endpoint = `http://127.0.0.1:${port}`;
    const deadline = Date.now() + (options.startWithinMs ?? 20_000);
    while (child.isRunning() && Date.now() < deadline) {
      if (await answers(endpoint + options.probe)) return { endpoint, directory, [Symbol.asyncDispose]: stop };
      await delay(50);
    }
    const said = child.logTail();
    await stop();
    // Somebody else may have taken the port meanwhile.
    if (start === MAX_STARTS) throw new Error(`${options.name} does not start; it wrote:\n${said}`);
  }
}

/** Whether a server answers, whatever it says. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.body?.cancel();
    return true;
  } catch {
    return false;
  }
}
