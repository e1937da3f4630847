import { isIP } from "node:net";
import type { RequestOptions } from "node:https";
import { KubeConfig } from "@kubernetes/client-node";

/** How to reach an API server and prove who asks. Holds credentials: never to be logged. */
export interface KubeConnection {
  /** Such as https://10.96.0.1:443, without a slash at the end. */
  readonly server: string;
  /** What to present with the next request. Tokens and certificates that were rotated are read again. */
  credentials(options?: { readonly refresh?: boolean }): Promise<KubeCredentials>;
}

export interface KubeCredentials {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsOptions;
}

/** The client's half of TLS, as node:tls wants it. */
export interface TlsOptions {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
}

/** Mounted tokens are rotated every hour or so, a while before they end. */
const CREDENTIALS_LIVE_MS = 30_000;

/**
 * Finds the API server: from the given kubeconfig file, or else as kubectl does, from $KUBECONFIG or ~/.kube/config, or
 * from the pod's service account. Throws an Error where there is none, or one that cannot be used.
 */
export function loadConnection(
  options: { readonly kubeconfigFile?: string; readonly nowMs?: () => number } = {},
): KubeConnection {
  const nowMs = options.nowMs ?? (() => performance.now());
  const load = (): KubeConfig => loadKubeConfig(options.kubeconfigFile);
  let config = load();
  const server = serverOf(config);
  let known: { readonly credentials: KubeCredentials; readonly untilMs: number } | undefined;
  return {
    server,
    credentials: async ({ refresh = false } = {}) => {
      if (!refresh && known !== undefined && nowMs() < known.untilMs) return known.credentials;
      // A new one, because the library remembers tokens longer than a server may accept them.
      if (refresh) config = load();
      const credentials = server.startsWith("http:") ? { headers: {}, tls: {} } : await credentialsOf(config);
      known = { credentials, untilMs: nowMs() + CREDENTIALS_LIVE_MS };
      return credentials;
    },
  };
}

/** What the library takes where it finds no configuration: an API server without any protection, on this machine. */
const LIBRARY_DEFAULT = "http://localhost:8080";

function loadKubeConfig(file: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(`the kubeconfig cannot be read: ${reason}`, { cause: error });
  }
  const isDefault = config.getCurrentContext() === "loaded-context";
  if (file === undefined && isDefault && config.getCurrentCluster()?.server === LIBRARY_DEFAULT) {
    throw new Error("expected a pod's service account, $KUBECONFIG or ~/.kube/config to say where the API server is");
  }
  return config;
}

function serverOf(config: KubeConfig): string {
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new Error("expected a current context with a cluster in the kubeconfig, got none");
  if (cluster.proxyUrl !== undefined)
    throw new Error("expected a kubeconfig without proxy-url, which is not supported");
  const url = new URL(cluster.server);
  // kubectl proxy speaks plain HTTP, and needs no credentials.
  if (url.protocol !== "https:" && !isLoopback(url.hostname)) {
    throw new Error("expected an https:// server in the kubeconfig, or http:// on this machine");
  }
  return cluster.server.replace(/\/+$/, "");
}

function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || (isIP(hostname) === 4 && hostname.startsWith("127."));
}

async function credentialsOf(config: KubeConfig): Promise<KubeCredentials> {
  const options: RequestOptions = { headers: {} };
  await config.applyToHTTPSOptions(options);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(options.headers ?? {})) {
    if (typeof value === "string") headers[name.toLowerCase()] = value.trim();
  }
  if (typeof options.auth === "string") {
    headers["authorization"] ??= `Basic ${Buffer.from(options.auth).toString("base64")}`;
  }
  const tls: Record<string, unknown> = {};
  for (const name of ["ca", "cert", "key", "rejectUnauthorized", "servername"] as const) {
    if (options[name] !== undefined) tls[name] = options[name];
  }
  return { headers, tls };
}
