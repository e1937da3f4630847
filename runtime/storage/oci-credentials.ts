import * as z from "zod";
import type { Environment } from "../../common/environment.ts";
import { StorageFailure } from "./storage-failure.ts";

/** Who asks a registry. */
export interface OciCredentials {
  readonly username: string;
  readonly password: string;
}

const DOCKER_HUB = new Set(["docker.io", "index.docker.io", "registry-1.docker.io"]);

const dockerConfig = z.object({
  auths: z.record(
    z.string(),
    z.object({
      username: z.string().optional(),
      password: z.string().optional(),
      auth: z.string().optional(),
    }),
  ),
});

/**
 * Finds who asks a registry: OCI_USERNAME and OCI_PASSWORD, or the entry of DOCKER_AUTH_CONFIG (what Docker's config.json
 * and Secrets of type kubernetes.io/dockerconfigjson hold) whose address fits best. Undefined if there is none, and for a
 * public repository none is needed. Throws StorageFailure for what is not understood.
 */
export function findOciCredentials(
  environment: Environment,
  registry: string,
  repository: string,
): OciCredentials | undefined {
  const { OCI_USERNAME: username, OCI_PASSWORD: password, DOCKER_AUTH_CONFIG: config } = environment;
  if (username && password) return { username, password };
  if (!config) return undefined;
  const fitting = Object.entries(parseConfig(config).auths)
    .map(([address, entry]) => ({ address: normalize(address), entry }))
    .filter(({ address }) => fits(address, registry, repository))
    .sort((a, b) => b.address.length - a.address.length);
  return fitting[0] === undefined ? undefined : credentialsOf(fitting[0].entry);
}

function parseConfig(text: string): z.infer<typeof dockerConfig> {
  try {
    const parsed = dockerConfig.safeParse(JSON.parse(text));
    if (parsed.success) return parsed.data;
  } catch {
    // Said below, without the text.
  }
  throw new StorageFailure(
    "StorageAccessDenied",
    "the key .dockerconfigjson of storage.secretRef is not understood: expected a Secret of type kubernetes.io/dockerconfigjson",
  );
}

/** Addresses are written with and without scheme, and with Docker's version of its interface. */
function normalize(address: string): string {
  const plain = address.replace(/^https?:\/\//, "").replace(/\/(v[12]\/?)?$/, "");
  const [host = "", ...rest] = plain.split("/");
  return [DOCKER_HUB.has(host) ? "docker.io" : host, ...rest].join("/");
}

/** Whether an entry is for a repository: its host, which may begin with `*.`, and its path, if it has one. */
function fits(address: string, registry: string, repository: string): boolean {
  const [host = "", ...rest] = address.split("/");
  const isHost =
    host === registry || (host.startsWith("*.") && registry.slice(registry.indexOf(".")) === host.slice(1));
  const path = rest.join("/");
  return isHost && (path === "" || repository === path || repository.startsWith(`${path}/`));
}

function credentialsOf({
  username,
  password,
  auth,
}: z.infer<typeof dockerConfig>["auths"][string]): OciCredentials | undefined {
  if (username && password) return { username, password };
  const decoded = Buffer.from(auth ?? "", "base64").toString("utf8");
  const colon = decoded.indexOf(":");
  return colon < 1 ? undefined : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1) };
}
