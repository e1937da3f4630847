import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { provideEnvtestPrograms } from "./envtest-archive.ts";

/** Where the programs of a control plane are. */
export interface ControlPlanePrograms {
  readonly etcd: string;
  readonly apiServer: string;
  /** Undefined where they come from an archive without it, as the official envtest archives do. */
  readonly controllerManager: string | undefined;
  readonly kubectl: string | undefined;
}

/** `test/cluster/programs` ends with it when it can neither find nor compile the programs. */
const CANNOT_PROVIDE = 3;

/** Where the project keeps what it downloaded or built; outside of the project, so that other clones have it too. */
export function cacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  return path.join(environment["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "lockstep");
}

/**
 * Puts etcd and the API server in place, saying on standard error what it waits for: the folder KUBEBUILDER_ASSETS if it
 * is set; else what `test/cluster/programs` has or can compile; else the official envtest archive. Throws an Error that
 * says what to do when none of these is possible.
 */
export async function provideControlPlanePrograms(
  environment: NodeJS.ProcessEnv = process.env,
): Promise<ControlPlanePrograms> {
  const assets = environment["KUBEBUILDER_ASSETS"];
  if (assets !== undefined && assets !== "") return programsIn(path.resolve(assets), "KUBEBUILDER_ASSETS");
  const compiled = process.platform === "linux" ? await compiledPrograms(environment) : undefined;
  const folder =
    compiled ?? (await provideEnvtestPrograms(path.join(cacheDirectory(environment), "envtest"), environment));
  return programsIn(folder, "the folder of the programs");
}

function programsIn(folder: string, origin: string): ControlPlanePrograms {
  const program = (name: string) => {
    const file = path.join(folder, name);
    return existsSync(file) ? file : undefined;
  };
  const etcd = program("etcd");
  const apiServer = program("kube-apiserver");
  if (etcd === undefined || apiServer === undefined)
    throw new Error(`${origin} must have the programs etcd and kube-apiserver; ${folder} has not`);
  return { etcd, apiServer, controllerManager: program("kube-controller-manager"), kubectl: program("kubectl") };
}

async function compiledPrograms(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  const script = path.join(import.meta.dirname, "../cluster/programs");
  const child = spawn("bash", [script, "control-plane"], {
    env: environment,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    output += chunk;
  });
  const [status] = await once(child, "close");
  if (status === CANNOT_PROVIDE) return undefined;
  if (status !== 0) throw new Error(`test/cluster/programs failed with status ${String(status)}; see above`);
  return output.trim();
}
