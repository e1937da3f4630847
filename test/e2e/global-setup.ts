import { existsSync } from "node:fs";
import path from "node:path";

/**
 * The end-to-end tests use the cluster that KUBECONFIG names, whichever it is, and no other: they install Lockstep
 * there, so nobody's default cluster is taken by accident.
 */
export function setup(): void {
  const kubeconfig = process.env["KUBECONFIG"];
  if (kubeconfig === undefined || kubeconfig === "")
    throw new Error(
      "The end-to-end tests need a cluster: set KUBECONFIG to its kubeconfig file.\n" +
        'On Debian, as root, test/cluster/up starts one: eval "$(test/cluster/up)". With Docker: kind create cluster --config kind-config.yaml.',
    );
  const file = path.resolve(kubeconfig);
  if (!existsSync(file)) throw new Error(`KUBECONFIG names ${file}, which is not there.`);
}
