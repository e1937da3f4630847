import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** kubectl of the one-node cluster where that is the cluster, or else the one on the path. */
export function kubectlBinary(): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache");
  const own = path.join(process.env["LOCKSTEP_CLUSTER_DIR"] ?? path.join(cache, "lockstep/cluster"), "bin/kubectl");
  return process.env["KUBECTL"] ?? (existsSync(own) ? own : "kubectl");
}

/** Runs kubectl against the cluster under test; resolves with what it printed. Rejects with its error text. */
export function kubectl(args: readonly string[], input = ""): Promise<string> {
  return run(kubectlBinary(), args, input);
}

/** Runs a program against the cluster that KUBECONFIG names. */
export function run(program: string, args: readonly string[], input = ""): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      maxBuffer: 64 * 1024 * 1024,
      timeout: 300_000,
    };
    const child = execFile(program, [...args], options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${path.basename(program)} ${args.join(" ")}: ${stderr || error.message}`));
    });
    child.stdin?.end(input);
  });
}

/** Applies manifests as a user does, with strict validation. */
export function apply(manifest: unknown, namespace: string): Promise<string> {
  return kubectl(["apply", "--validate=strict", "-n", namespace, "-f", "-"], JSON.stringify(manifest));
}

/** Reads objects; undefined where a named one does not exist. */
export async function read<T>(namespace: string, ...what: string[]): Promise<T | undefined> {
  const text = await kubectl(["get", "-n", namespace, ...what, "-o", "json", "--ignore-not-found"]);
  return text.trim() === "" ? undefined : (JSON.parse(text) as T);
}

/** Makes a namespace that enforces the restricted Pod Security standard, and returns its name. */
export async function makeNamespace(name: string): Promise<string> {
  await kubectl(
    ["apply", "-f", "-"],
    JSON.stringify({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: { "pod-security.kubernetes.io/enforce": "restricted" } },
    }),
  );
  return name;
}
