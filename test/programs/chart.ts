import path from "node:path";
import { loadAll } from "js-yaml";
import { provideHelm } from "./helm.ts";
import { runProgram } from "./run-program.ts";

/** The chart's folder. */
export const CHART = path.join(import.meta.dirname, "../../charts/lockstep");

/** An object of Kubernetes, as far as tests of the chart look at it. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/** How to render the chart. */
export interface Rendering {
  /** Default: lockstep. */
  readonly release?: string;
  /** Default: lockstep-system. */
  readonly namespace?: string;
  /** Files of values, as absolute paths. */
  readonly valuesFiles?: readonly string[];
  /** As for `--set`. */
  readonly set?: Readonly<Record<string, string>>;
  readonly skipTests?: boolean;
}

/** What `helm template` writes. Throws an Error with what Helm says if it refuses. */
export async function renderText(rendering: Rendering = {}): Promise<string> {
  const { release = "lockstep", namespace = "lockstep-system", valuesFiles = [], set = {}, skipTests } = rendering;
  const { status, stdout, stderr } = await runProgram([
    await provideHelm(),
    "template",
    release,
    CHART,
    "--namespace",
    namespace,
    // One that was built without Helm's own linker flags believes in Kubernetes 1.20.
    "--kube-version",
    "1.34.0",
    ...(skipTests === true ? ["--skip-tests"] : []),
    ...valuesFiles.flatMap((file) => ["--values", file]),
    ...Object.entries(set).flatMap(([name, value]) => ["--set", `${name}=${value}`]),
  ]);
  if (status !== 0) throw new Error(`helm template: ${stderr}`);
  return stdout;
}

/** The objects that `helm template` writes. */
export async function render(rendering: Rendering = {}): Promise<readonly Manifest[]> {
  const documents = loadAll(await renderText(rendering)) as (Manifest | null)[];
  return documents.filter((document) => document !== null);
}

/** The only object of a kind, or of a kind and a name. Throws an Error if there is not exactly one. */
export function only(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter((each) => each.kind === kind && (name === undefined || each.metadata.name === name));
  if (found.length !== 1 || found[0] === undefined) throw new Error(`expected one ${kind}, got ${found.length}`);
  return found[0];
}
