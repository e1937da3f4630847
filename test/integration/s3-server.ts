import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { provideGoProgram } from "../programs/go-program.ts";
import { answers } from "./storage-server.ts";

const START_TIMEOUT_MS = 20_000;

/** A real S3-compatible server, for tests. Each of its buckets is a folder of `directory`. */
export interface S3Server extends AsyncDisposable {
  /** `http://HOST:PORT` */
  readonly endpoint: string;
  readonly host: string;
  readonly port: number;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly directory: string;
  /** The credentials as the AWS SDKs read them. */
  readonly environment: Readonly<Record<string, string>>;
  /** For tests that let it stand still. */
  readonly process: ChildProcess;
  /** Ends the server and removes its directory; may be called twice. */
  stop(): Promise<void>;
}

/** How to start a server. */
export interface S3ServerOptions {
  /** Address to listen on: for pods to reach it, one of the node's. Default: 127.0.0.1. */
  readonly host?: string;
  /** Default: a free one. */
  readonly port?: number;
}

/**
 * Starts versitygw on a folder of its own. The program is built once by `go install`, which takes minutes, and kept in
 * the user's cache. Rejects if it cannot be built, or does not answer within 20 s.
 */
export async function startS3Server(options: S3ServerOptions = {}): Promise<S3Server> {
  const program = await buildS3Server();
  const host = options.host ?? "127.0.0.1";
  const directory = await mkdtemp(join(tmpdir(), "lockstep-s3-"));
  const keys = { accessKeyId: "tests", secretAccessKey: randomBytes(16).toString("hex") };
  try {
    for (let attempt = 1; ; attempt++) {
      const port = options.port ?? (await findFreePort(host));
      const process_ = await launch(program, host, port, directory, keys);
      // Somebody else may have taken the port meanwhile.
      if (process_ === undefined && options.port === undefined && attempt < 3) continue;
      if (process_ === undefined) throw new Error(`versitygw does not start on ${host}:${port}`);
      return describeServer(process_, host, port, directory, keys);
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

/** Makes sure that the server's program is there; returns its path. */
export function buildS3Server(): Promise<string> {
  return provideGoProgram({
    title: "the S3 server",
    module: "github.com/versity/versitygw/cmd/versitygw",
    version: "v1.8.0",
  });
}

interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

async function launch(
  program: string,
  host: string,
  port: number,
  directory: string,
  keys: Keys,
): Promise<ChildProcess | undefined> {
  const child = spawn(program, ["--port", `${host}:${port}`, "posix", directory], {
    env: { ...process.env, ROOT_ACCESS_KEY: keys.accessKeyId, ROOT_SECRET_KEY: keys.secretAccessKey },
    stdio: "ignore",
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline && child.exitCode === null) {
    if (await answers(`http://${host}:${port}/`)) return child;
    await delay(50);
  }
  await end(child);
  return undefined;
}

function describeServer(child: ChildProcess, host: string, port: number, directory: string, keys: Keys): S3Server {
  const endpoint = `http://${host}:${port}`;
  const region = "us-east-1";
  // A test run that is interrupted must not leave the server behind.
  const onExit = (): void => void child.kill("SIGKILL");
  process.once("exit", onExit);
  const stop = async (): Promise<void> => {
    process.removeListener("exit", onExit);
    await end(child);
    await rm(directory, { recursive: true, force: true });
  };
  return {
    endpoint,
    host,
    port,
    region,
    ...keys,
    directory,
    process: child,
    environment: {
      AWS_ACCESS_KEY_ID: keys.accessKeyId,
      AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
      AWS_REGION: region,
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function findFreePort(host: string): Promise<number> {
  const server = createServer();
  server.listen(0, host);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("expected an address with a port");
  return address.port;
}
