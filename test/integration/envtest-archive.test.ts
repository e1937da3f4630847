import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { provideEnvtestPrograms, type EnvtestRelease } from "../programs/envtest-archive.ts";

describe("the archive of etcd and the API server", () => {
  let directory: string;
  let server: Server;
  let requested: string[];
  let release: EnvtestRelease;

  beforeEach(async () => {
    directory = mkdtempSync(path.join(tmpdir(), "lockstep-envtest-"));
    const programs = path.join(directory, "controller-tools/envtest");
    await mkdir(programs, { recursive: true });
    await writeFile(path.join(programs, "etcd"), "#!/bin/sh\necho etcd\n", { mode: 0o755 });
    await writeFile(path.join(programs, "kube-apiserver"), "#!/bin/sh\necho api\n", { mode: 0o755 });
    execFileSync("tar", ["-czf", path.join(directory, "archive"), "-C", directory, "controller-tools"]);
    const archive = readFileSync(path.join(directory, "archive"));
    requested = [];
    server = createServer((request, response) => {
      requested.push(request.url ?? "");
      if (request.url === "/releases/envtest-v9.9.9/envtest-v9.9.9-linux-test.tar.gz") response.end(archive);
      else response.writeHead(404).end();
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("expected the address of a TCP server");
    release = {
      version: "v9.9.9",
      baseUrl: `http://127.0.0.1:${address.port}/releases`,
      platform: "linux-test",
      sha512: createHash("sha512").update(archive).digest("hex"),
    };
  });

  afterEach(async () => {
    await once(server.close(), "close");
    rmSync(directory, { recursive: true });
  });

  const provide = async (changes: Partial<EnvtestRelease> = {}) =>
    provideEnvtestPrograms(path.join(directory, "cache"), {}, { ...release, ...changes });
  const cached = () => readdirSync(path.join(directory, "cache"));

  test("is downloaded once, and its programs run", async () => {
    const folder = await provide();
    expect(execFileSync(path.join(folder, "kube-apiserver"), { encoding: "utf8" })).toBe("api\n");
    expect(await provide()).toBe(folder);
    expect(requested).toHaveLength(1);
    expect(cached()).toEqual(["v9.9.9-linux-test"]);
  });

  test("is refused when its digest is another one", async () => {
    await expect(provide({ sha512: "0".repeat(128) })).rejects.toThrow(/is not the official one.*expected 000/);
    expect(cached()).toEqual([]);
  });

  test("that is not there is an error that says what to do", async () => {
    await expect(provide({ version: "v0.0.0" })).rejects.toThrow(/status 404.*Install Go.*KUBEBUILDER_ASSETS/);
  });

  test("that does not exist for the platform is an error that says what to do", async () => {
    await expect(provide({ platform: "plan9-mips", sha512: undefined })).rejects.toThrow(/plan9-mips.*Install Go/);
    expect(requested).toEqual([]);
  });
});
