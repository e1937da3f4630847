import { mkdir, mkdtemp, readFile, stat } from "node:fs/promises";
import { constants, homedir, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { styleText } from "node:util";
import type { ReplicaState } from "../common/admin-api.ts";
import { createLogger, type LogLevel } from "../common/logger.ts";
import { GRPC_PORT, HTTP_PORT } from "../common/ports.ts";
import { missingVariables } from "../common/storage-schemes.ts";
import { REPLICA_FAILURES, type ReplicaFailureReason } from "../common/reasons.ts";
import { ConfigError } from "../common/runtime-config.ts";
import { readRuntimeProcessConfig } from "../runtime/config.ts";
import { endProcessNow } from "../runtime/end-process.ts";
import { startReplica, type Replica } from "../runtime/replica.ts";
import { standaloneConfig } from "../runtime/standalone-config.ts";
import { CliError } from "./cli-error.ts";
import { createManifestReader } from "./manifest.ts";
import { reportModel } from "./model-report.ts";
import { Progress } from "./progress.ts";
import { servePlanOf, type ServePlan, type SourcedService } from "./serve-plan.ts";

const CRD_FILE = new URL("../crds/inferenceservices.yaml", import.meta.url);
/** How often the replica is asked how far it is. */
const POLL_MS = 50;
/** One Ctrl-C can arrive twice: from the terminal, and passed on by npm or the command's door. */
const SAME_KEY_PRESS_MS = 500;

export interface ServeOptions {
  readonly place: string | undefined;
  readonly file: readonly string[];
  readonly name?: string;
  readonly port: number;
  /** -1 is none. */
  readonly grpcPort: number;
  readonly host: string;
  readonly endpoint?: string;
  readonly pvcRoot?: string;
  readonly modelDir?: string;
  readonly logLevel: LogLevel;
}

/**
 * Serves until a signal. Resolves when the models answer and have been shown; the server keeps the process alive.
 * Throws {@link CliError} for what the user can mend.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const plan = await planOf(options);
  for (const note of plan.notes) say(`${styleText("yellow", "note:")} ${note}`);
  const modelDir = await modelDirOf(options.modelDir);
  const replica = await start(options, plan, modelDir);
  stopOnSignals(replica);

  const state = await served(replica, plan);
  const host = options.host.includes(":") ? `[${options.host}]` : options.host;
  // From this machine, "every address" is reached by the loopback one.
  const reachable = ["0.0.0.0", "[::]"].includes(host) ? "127.0.0.1" : host;
  const baseUrl = `http://${reachable}:${replica.httpPort}`;
  for (const { name, activeVersion } of state.models) {
    const model = plan.config.models.find((candidate) => candidate.name === name);
    if (model === undefined || activeVersion === undefined) continue;
    const { pvcRoot } = plan;
    const requestDir = join(modelDir, "requests");
    say(`\n${await reportModel({ baseUrl, model, version: activeVersion, pvcRoot, requestDir })}`);
  }
  const grpc = replica.grpcPort === undefined ? "" : `gRPC: ${reachable}:${replica.grpcPort}, `;
  say(
    `\n${styleText("green", "Ready")} on ${baseUrl} (a page in browsers; ${grpc}metrics: ${baseUrl}/metrics). Ctrl-C stops it.`,
  );
}

async function planOf(options: ServeOptions): Promise<ServePlan> {
  try {
    if (options.file.length > 0) return await planOfFiles(options);
    return await planOfPlace(options);
  } catch (error) {
    if (error instanceof ConfigError) throw new CliError(error.message, { cause: error });
    throw error;
  }
}

async function planOfFiles(options: ServeOptions): Promise<ServePlan> {
  const useless = (["place", "name", "endpoint"] as const).find((option) => options[option] !== undefined);
  if (useless !== undefined)
    throw new CliError(`-f says all: leave out ${useless === "place" ? `"${options.place}"` : `--${useless}`}`);
  const read = createManifestReader(await readFile(CRD_FILE, "utf8"));
  const sources: SourcedService[] = [];
  const notes: string[] = [];
  for (const file of options.file) {
    const { services, others } = read(await readText(file), file);
    sources.push(...services.map((service) => ({ file: resolve(file), service })));
    if (others.length > 0) notes.push(`${file}: ${others.join(", ")} left out, a single process has no use for it`);
  }
  const pvcRoot = options.pvcRoot === undefined ? undefined : resolve(options.pvcRoot);
  const plan = servePlanOf(sources, { pvcRoot, environment: process.env });
  return { ...plan, notes: [...notes, ...plan.notes] };
}

async function planOfPlace({ place, name, endpoint, pvcRoot }: ServeOptions): Promise<ServePlan> {
  if (place === undefined)
    throw new CliError(
      "say what to serve: a file with InferenceServices (-f digits.yaml), or a model's place (./models/digits, s3://bucket/prefix)",
    );
  const storageUri = /^[a-z0-9]+:\/\//.test(place) ? place : await localUri(place);
  const config = standaloneConfig(storageUri, {
    ...(name !== undefined && { name }),
    ...(endpoint !== undefined && { endpoint }),
  });
  return { config, pvcRoot: resolve(pvcRoot ?? "."), notes: [] };
}

async function localUri(place: string): Promise<string> {
  if (/\.ya?ml$/.test(place)) throw new CliError(`${place} is YAML: write  lockstep serve -f ${place}`);
  try {
    await stat(place);
  } catch (cause) {
    throw new CliError(`${place} does not exist: expected a folder with versions, or an .onnx file`, { cause });
  }
  return pathToFileURL(resolve(place)).href;
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    throw new CliError(code === "ENOENT" ? `${file} does not exist` : `${file} cannot be read (${String(code)})`, {
      cause,
    });
  }
}

/** A folder that is kept, so that a model is fetched once; where the user has none, one for this process. */
async function modelDirOf(wanted: string | undefined): Promise<string> {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  const folder = resolve(wanted ?? join(cache, "lockstep", "models"));
  try {
    await mkdir(folder, { recursive: true });
    return folder;
  } catch (cause) {
    if (wanted !== undefined) throw new CliError(`${wanted} cannot be made a folder for models`, { cause });
    return await mkdtemp(join(tmpdir(), "lockstep-models-"));
  }
}

async function start(options: ServeOptions, plan: ServePlan, modelDir: string): Promise<Replica> {
  const settings = readRuntimeProcessConfig({
    // On one's own machine a store on 127.0.0.1 is what one means.
    LOCKSTEP_STORAGE_DENY: "",
    ...process.env,
    LOCKSTEP_HTTP_PORT: String(options.port),
    LOCKSTEP_GRPC_PORT: String(options.grpcPort),
    LOCKSTEP_ADMIN_PORT: "0",
    LOCKSTEP_HOST: options.host,
    LOCKSTEP_MODEL_DIR: modelDir,
    LOCKSTEP_PVC_ROOT: plan.pvcRoot,
    LOCKSTEP_LOG_LEVEL: options.logLevel,
  });
  const logger = createLogger({ name: "lockstep", level: options.logLevel, destination: process.stderr });
  try {
    return await startReplica({
      process: settings,
      config: plan.config,
      logger,
      onStuck: (message) => {
        say(`${styleText("red", message)}: only the end of this process can stop it`);
        endProcessNow(1);
      },
    });
  } catch (error) {
    throw listenErrorOf(error, options);
  }
}

function listenErrorOf(error: unknown, options: ServeOptions): unknown {
  const { host } = options;
  const isGrpc = error instanceof Error && "port" in error && error.port === options.grpcPort;
  const [option, port] = isGrpc ? ["--grpc-port", options.grpcPort] : ["--port", options.port];
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "EADDRINUSE":
      return new CliError(
        `port ${port} is taken by another program: stop that one, or choose another port (${option} ${port + 1}), or any free one (${option} 0)`,
        { cause: error },
      );
    case "EACCES":
      return new CliError(
        `port ${port} needs more rights than you have: choose one above 1023 (${option} ${isGrpc ? GRPC_PORT : HTTP_PORT})`,
        {
          cause: error,
        },
      );
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CliError(`${host} is not an address of this machine: expected 127.0.0.1, or 0.0.0.0 for all`, {
        cause: error,
      });
    default:
      return error;
  }
}

/** What the list of reasons says, which is about a cluster, or what helps here. */
function remedyFor(model: string, reason: ReplicaFailureReason, { config }: ServePlan): string {
  const { storageUri = "" } = config.models.find(({ name }) => name === model) ?? {};
  if (reason === "StorageAccessDenied" && storageUri.startsWith("s3://"))
    return "Here the keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or those of AWS_PROFILE; they must allow to list and read.";
  const missing = reason === "StorageAccessDenied" ? missingVariables(storageUri, process.env) : undefined;
  return missing === undefined ? REPLICA_FAILURES[reason].remedy : `Here set ${missing}.`;
}

/** Waits until all models answer, and shows how far they are. Throws {@link CliError} with the first failure. */
async function served(replica: Replica, plan: ServePlan): Promise<ReplicaState> {
  const progress = new Progress(process.stdout);
  for (;;) {
    const state = replica.state();
    const failed = state.models.find(({ failure }) => failure !== undefined);
    if (failed?.failure !== undefined) {
      progress.end();
      await replica.stop({ drainDelayMs: 0 });
      const { reason, message, version } = failed.failure;
      const subject = version === undefined ? failed.name : `${failed.name} version ${version}`;
      throw new CliError(
        `${styleText("red", `${subject}: ${reason}`)}\n  ${message}\n  ${remedyFor(failed.name, reason, plan)}`,
      );
    }
    progress.show(state);
    if (state.phase === "Ready") {
      progress.end();
      return state;
    }
    await setTimeout(POLL_MS);
  }
}

function stopOnSignals(replica: Replica): void {
  let firstMs: number | undefined;
  const stop = (signal: number): void => {
    const nowMs = performance.now();
    if (firstMs !== undefined && nowMs - firstMs < SAME_KEY_PRESS_MS) return;
    if (firstMs !== undefined) endProcessNow(128 + signal);
    firstMs = nowMs;
    say("\nStopping: what is in flight is finished. Again, and it stops at once.");
    replica.stop({ drainDelayMs: 0 }).then(
      () => endProcessNow(0),
      (error: unknown) => {
        say(`Stopping failed: ${String(error)}`);
        endProcessNow(1);
      },
    );
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.on(signal, () => stop(constants.signals[signal]));
  // The command's door is gone, and with it whoever could send a signal.
  process.on("disconnect", () => stop(constants.signals.SIGHUP));
  process.channel?.unref();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
