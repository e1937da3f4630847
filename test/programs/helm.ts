import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "./control-plane-programs.ts";

const VERSION = "v3.22.0";
const MODULE = "helm.sh/helm/v3";
/** Helm takes these from its release process; `helm template` and `helm lint` judge by the Kubernetes version. */
const LINKER_FLAGS = [
  "-s -w",
  `-X ${MODULE}/internal/version.version=${VERSION}`,
  `-X ${MODULE}/pkg/chartutil.k8sVersionMajor=1`,
  `-X ${MODULE}/pkg/chartutil.k8sVersionMinor=34`,
  `-X ${MODULE}/pkg/lint/rules.k8sVersionMajor=1`,
  `-X ${MODULE}/pkg/lint/rules.k8sVersionMinor=34`,
].join(" ");
const PROGRESS_EVERY_MS = 15_000;

/**
 * Finds Helm: the program that HELM names, one of the PATH, or the one that was built before. Otherwise builds it by
 * `go install`, saying on standard error what it waits for, and keeps it. Throws an Error that says what to do when
 * there is no Go either.
 */
export async function provideHelm(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const named = environment["HELM"];
  if (named !== undefined && named !== "") {
    if (!isProgram(named)) throw new Error(`HELM names ${named}, which is no program`);
    return path.resolve(named);
  }
  const kept = path.join(cacheDirectory(environment), "bin", "helm");
  const folders = (environment["PATH"] ?? "").split(path.delimiter).filter((folder) => folder !== "");
  const found = [...folders.map((folder) => path.join(folder, "helm")), kept].find(isProgram);
  if (found !== undefined) return found;
  await build(kept, environment);
  return kept;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

async function build(target: string, environment: NodeJS.ProcessEnv): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  // Several may build at a time; each has a folder of its own, and the last one wins.
  const folder = await mkdtemp(`${target}-build-`);
  const startedAt = Date.now();
  console.error(`Helm was not found: building ${VERSION} from Go modules, once; it takes two to four minutes`);
  const progress = setInterval(() => {
    console.error(`still building Helm, ${Math.round((Date.now() - startedAt) / 1000)} s`);
  }, PROGRESS_EVERY_MS);
  try {
    const child = spawn("go", ["install", "-ldflags", LINKER_FLAGS, `${MODULE}/cmd/helm@${VERSION}`], {
      env: { ...environment, GOBIN: folder, CGO_ENABLED: "0", GOFLAGS: "-trimpath" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const [status] = await once(child, "close");
    if (status !== 0) throw new Error(`go install ${MODULE}/cmd/helm ended with status ${String(status)}; see above`);
    await rename(path.join(folder, "helm"), target);
  } catch (cause) {
    throw new Error("cannot build Helm: install Helm 3, or Go, or name Helm's program in HELM", { cause });
  } finally {
    clearInterval(progress);
    await rm(folder, { recursive: true, force: true });
  }
}
