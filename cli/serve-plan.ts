import { basename, dirname } from "node:path";
import type { Environment } from "../common/environment.ts";
import type { InferenceService } from "../common/inferenceservice.gen.ts";
import { modelSpecOf, runtimeConfigOf } from "../common/runtime-config-of.ts";
import { missingVariables } from "../common/storage-schemes.ts";
import { parseRuntimeConfig, type RuntimeConfig } from "../common/runtime-config.ts";
import { CliError } from "./cli-error.ts";

/** An InferenceService and the file that it comes from. */
export interface SourcedService {
  readonly file: string;
  readonly service: InferenceService;
}

/** What one process will serve. */
export interface ServePlan {
  readonly config: RuntimeConfig;
  /** Where claims are folders. */
  readonly pvcRoot: string;
  /** What the user should know. */
  readonly notes: readonly string[];
}

/**
 * Joins InferenceServices into the configuration of one process. Throws {@link CliError} if two of them want the same
 * model name, or claims are in different folders, or none is to be served.
 */
export function servePlanOf(
  sources: readonly SourcedService[],
  { pvcRoot, environment }: { readonly pvcRoot: string | undefined; readonly environment: Environment },
): ServePlan {
  const notes: string[] = [];
  const active = sources.filter(({ service }) => {
    if (service.spec.stop) notes.push(`${service.metadata.name} is left out: its spec.stop is true`);
    return !service.spec.stop;
  });
  if (active.length === 0) throw new CliError("there is nothing to serve: spec.stop is true");
  for (const { service } of active) notes.push(...notesOn(service, environment));

  const configs = active.map(({ service }) => runtimeConfigOf(service));
  const models = configs.flatMap((config) => config.models);
  refuseSameNames(models.map(({ name }) => name));
  const [first] = configs;
  return {
    config: parseRuntimeConfig({
      configVersion: 1,
      service: active.length === 1 ? first?.service : { namespace: "default", name: "lockstep-serve" },
      models,
      requestTimeoutMs: Math.max(...configs.map(({ requestTimeoutMs }) => requestTimeoutMs)),
    }),
    pvcRoot: pvcRoot ?? folderOfClaims(active),
    notes,
  };
}

function folderOfClaims(sources: readonly SourcedService[]): string {
  const users = sources.filter(({ service }) => modelSpecOf(service.spec.predictor).storageUri.startsWith("pvc://"));
  const folders = new Set(users.map(({ file }) => dirname(file)));
  if (folders.size > 1)
    throw new CliError(
      `${[...new Set(users.map(({ file }) => basename(file)))].join(" and ")} use pvc:// and are in different folders: say with --pvc-root where the claims are`,
    );
  return [...folders][0] ?? dirname(sources[0]?.file ?? ".");
}

function refuseSameNames(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new CliError(
      `two InferenceServices have a model named "${twice}", which one process cannot tell apart: set spec.predictor.model.name of one of them`,
    );
}

/** What the cluster gives to a replica and this process must get otherwise. */
function notesOn(service: InferenceService, environment: Environment): string[] {
  const { storage, storageUri } = modelSpecOf(service.spec.predictor);
  const notes: string[] = [];
  const missing = missingVariables(storageUri, environment);
  if (storage?.secretRef !== undefined && missing !== undefined)
    notes.push(
      `${service.metadata.name} takes its keys from Secret ${storage.secretRef.name} on a cluster; here set ${missing}`,
    );
  if (storage?.caBundle !== undefined)
    notes.push(
      `${service.metadata.name} takes its authorities from ConfigMap ${storage.caBundle.configMapRef.name} on a cluster; here set NODE_EXTRA_CA_CERTS to a PEM file`,
    );
  return notes;
}
