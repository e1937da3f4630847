import { CHART } from "../programs/chart.ts";
import { provideHelm } from "../programs/helm.ts";
import { kubectl, run } from "./kubectl.ts";

export const RELEASE = "lockstep";
export const OPERATOR_NAMESPACE = "lockstep-system";
/** The images under test; test/cluster/image and docs/guides/kind.md give these names. */
const REPOSITORY = process.env["LOCKSTEP_E2E_IMAGES"] ?? "localhost/lockstep";
const TAG = process.env["LOCKSTEP_E2E_TAG"] ?? "dev";
export const RUNTIME_IMAGE = `${REPOSITORY}/runtime:${TAG}`;

/** Installs the chart with the images under test, or upgrades it to other values, and waits until its pods are ready. */
export async function installLockstep(values: readonly string[] = []): Promise<void> {
  const settings = [
    `operator.image.repository=${REPOSITORY}/operator`,
    `operator.image.tag=${TAG}`,
    `runtime.image.repository=${REPOSITORY}/runtime`,
    `runtime.image.tag=${TAG}`,
    ...values,
  ];
  await helm([
    "upgrade",
    "--install",
    RELEASE,
    CHART,
    `--namespace=${OPERATOR_NAMESPACE}`,
    "--create-namespace",
    "--wait",
    "--timeout=3m",
    ...settings.flatMap((setting) => ["--set", setting]),
  ]);
}

/** Runs helm against the cluster under test. */
export async function helm(args: readonly string[]): Promise<string> {
  return run(await provideHelm(), args);
}

/** Removes the release; resolves when its pods are gone. */
export async function uninstallLockstep(): Promise<void> {
  await helm(["uninstall", RELEASE, "--namespace", OPERATOR_NAMESPACE, "--wait", "--ignore-not-found"]);
  await kubectl(["wait", "--for=delete", "pod", "--all", "--namespace", OPERATOR_NAMESPACE, "--timeout=90s"]);
}
