import { readFileSync } from "node:fs";
import path from "node:path";
import { load } from "js-yaml";
import type { TestProject } from "vitest/node";
import { callApi, type ApiAccess } from "./api-access.ts";
import { startControlPlane } from "./control-plane.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Kubeconfig file of a cluster administrator; the InferenceService CRD is there. */
    kubeconfig: string;
    /** Whether Kubernetes' controllers run: only then are there replica sets, pods and garbage collection. */
    hasControllerManager: boolean;
  }
}

const CRD_FILE = path.join(import.meta.dirname, "../../crds/inferenceservices.yaml");
const ESTABLISHED_WITHIN_MS = 15_000;

/** One control plane for all integration tests, with the CRD; tests keep apart by namespaces of their own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const controlPlane = await startControlPlane({ controllerManager: true, beforeControllers: applyCrd });
  project.provide("kubeconfig", controlPlane.kubeconfig);
  project.provide("hasControllerManager", controlPlane.hasControllerManager);
  return controlPlane.stop;
}

/** Applies crds/inferenceservices.yaml and waits until the API server serves it. */
export async function applyCrd(access: ApiAccess): Promise<void> {
  const body = readFileSync(CRD_FILE, "utf8");
  const resource = `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${nameOf(load(body))}`;
  const applied = await callApi(access, "PATCH", `${resource}?fieldManager=tests&fieldValidation=Strict&force=true`, {
    type: "application/apply-patch+yaml",
    body,
  });
  if (applied.status !== 200 && applied.status !== 201)
    throw new Error(`the API server does not take ${CRD_FILE}: ${applied.status} ${applied.body}`);
  const deadline = Date.now() + ESTABLISHED_WITHIN_MS;
  while (!isEstablished(JSON.parse((await callApi(access, "GET", resource)).body))) {
    if (Date.now() > deadline) throw new Error(`the CRD was not established within ${ESTABLISHED_WITHIN_MS / 1000} s`);
    await new Promise((resolve) => {
      setTimeout(resolve, 100);
    });
  }
}

function nameOf(manifest: unknown): string {
  const { metadata } = manifest as { metadata?: { name?: string } };
  if (metadata?.name === undefined) throw new Error(`expected metadata.name in ${CRD_FILE}`);
  return metadata.name;
}

function isEstablished(crd: unknown): boolean {
  const { status } = crd as { status?: { conditions?: readonly { type: string; status: string }[] } };
  return status?.conditions?.some(({ type, status: value }) => type === "Established" && value === "True") ?? false;
}
