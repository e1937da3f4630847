import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { provideGoProgram } from "../programs/go-program.ts";
import { runProgram } from "../programs/run-program.ts";
import { startStorageServer, type StorageServer } from "./storage-server.ts";

/** Who may use the registry. */
export const REGISTRY_USER = { username: "reader", password: "password-canary" } as const;
/** The password, by bcrypt. */
const HTPASSWD = "$2b$05$abcdefghijklmnopqrstuupb54HVwTajHJo01QMt.pE7QoWonJiOq";

/** Where a registry's tokens come from. */
export interface TokenAuthority {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** Its public keys, as a JSON Web Key Set. */
  readonly keys: unknown;
}

/** Makes sure that the registry's program is there; returns its path. */
export function provideRegistry(): Promise<string> {
  return provideGoProgram({
    title: "the OCI registry",
    module: "github.com/distribution/distribution/v3/cmd/registry",
    version: "v3.1.2",
  });
}

/** Makes sure that ORAS, a client of registries, is there; returns its path. */
export function provideOras(): Promise<string> {
  return provideGoProgram({ title: "ORAS", module: "oras.land/oras/cmd/oras", version: "v1.3.6" });
}

/**
 * Starts the registry of the CNCF's project Distribution. It knows {@link REGISTRY_USER}, or the tokens of an authority.
 */
export async function startRegistry(authority?: TokenAuthority): Promise<StorageServer> {
  const program = await provideRegistry();
  return await startStorageServer({
    name: "registry",
    command: async (port, directory) => {
      const file = (name: string): string => path.join(directory, name);
      const { username } = REGISTRY_USER;
      await writeFile(file("htpasswd"), `${username}:${HTPASSWD}\n`);
      await writeFile(file("keys.json"), JSON.stringify(authority?.keys ?? {}));
      const auth =
        authority === undefined
          ? { htpasswd: { realm: "tests", path: file("htpasswd") } }
          : {
              token: {
                realm: authority.realm,
                service: authority.service,
                issuer: authority.issuer,
                jwks: file("keys.json"),
                signingalgorithms: ["RS256"],
              },
            };
      const config = {
        version: "0.1",
        log: { level: "error", accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: file("data") } },
        http: { addr: `127.0.0.1:${port}`, secret: "tests" },
        auth,
      };
      // JSON is YAML.
      await writeFile(file("config.yml"), JSON.stringify(config));
      return ["env", "OTEL_TRACES_EXPORTER=none", program, "serve", file("config.yml")];
    },
    probe: "/v2/",
  });
}

/** Pushes files, by default each as a layer with its path as its title; a folder becomes an archive. */
export async function orasPush(
  registry: string,
  name: string,
  files: Readonly<Record<string, Buffer>>,
  paths: readonly string[] = Object.keys(files),
): Promise<void> {
  const program = await provideOras();
  const folder = await mkdtemp(path.join(tmpdir(), "lockstep-oras-"));
  try {
    for (const [file, bytes] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
      await writeFile(path.join(folder, file), bytes);
    }
    const { username, password } = REGISTRY_USER;
    const login = ["--plain-http", "--username", username, "--password-stdin", "--no-tty"];
    const command = [program, "push", ...login, `${registry}/${name}`] as const;
    const { status, stderr } = await runProgram([...command, ...paths], { cwd: folder, input: password });
    if (status !== 0) throw new Error(`oras push: ${stderr}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
