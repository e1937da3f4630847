import { readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";

/** Where the one-node cluster of test/cluster keeps its state. */
const STATE = path.join(
  process.env["LOCKSTEP_CLUSTER_DIR"] ??
    path.join(process.env["XDG_CACHE_HOME"] ?? path.join(homedir(), ".cache"), "lockstep/cluster"),
  "data",
);

/** The process of a component of the one-node cluster, such as `kube-apiserver`; undefined where that is not the cluster. */
export function componentPid(name: string): number | undefined {
  const pid = Number(read(path.join(STATE, "pids", name)));
  // Another cluster may be the one under test, while what is left of this one lies there.
  return pid > 0 && process.env["KUBECONFIG"]?.startsWith(STATE) === true && read(`/proc/${pid}/stat`) !== ""
    ? pid
    : undefined;
}

/** The process of a pod whose command line has these words, where pods run on this machine. */
export function podPid(podUid: string, words: string): number | undefined {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => read(`/proc/${pid}/cgroup`).includes(podUid) && read(`/proc/${pid}/cmdline`).includes(words));
}

/** A process may end at any time. */
function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
