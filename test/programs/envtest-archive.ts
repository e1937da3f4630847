import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync } from "node:fs";
import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import path from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

const VERSION = "v1.34.1";
/** From the list of releases of kubernetes-sigs/controller-tools. */
const SHA512: Readonly<Record<string, string>> = {
  "darwin-amd64":
    "d9e0464dc1708c36ab41147b5e364c8b8e201eafc14c299dcbe58ebeaa82c651b8e834647167a951ded8c6d08c616aadbae1673a54743f9c8fa15a278c78c0c0",
  "darwin-arm64":
    "43d7c10b74100d20044df7c73be03e26f8243a9cb7c1d3035e581ee7bb0c7ffcaf759b9e182186b5bb2f47d1608835414ca443181a02d9ecb6c9cf04b43e3809",
  "linux-amd64":
    "c5e7c237ae18a8c65d0df1214b864ecd19aa9ff4f1383dbd477c202546d778c0f74efe15750ec38f57d8de26ba17cd62f404446cdd3c975399a5d4589de35cdd",
  "linux-arm64":
    "bf13d2456183e66d084e28e1c9eed6a408fb77a06d8d1fd0461a7d9bc0c90b63d29ea67870b28f80d1f992acb026007d6f43987753c859c81d6a78bc1ca2c903",
};
const RELEASES = "https://github.com/kubernetes-sigs/controller-tools/releases/download";
const ADVICE =
  "Install Go (https://go.dev/doc/install), so that they are compiled once, or set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver.";
/** A download that gets nothing for this long is given up. */
const SILENCE_MS = 60_000;

/** Which archive to take; tests give another one than the official. */
export interface EnvtestRelease {
  readonly version: string;
  /** Folder of the releases, without a slash at the end. */
  readonly baseUrl: string;
  readonly platform: string;
  /** Of the archive, in hexadecimal; undefined if there is no archive for the platform. */
  readonly sha512: string | undefined;
}

/** The official archive for this machine. LOCKSTEP_ENVTEST_URL is a mirror of the releases' folder. */
export function officialRelease(environment: NodeJS.ProcessEnv): EnvtestRelease {
  const platform = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`;
  const baseUrl = environment["LOCKSTEP_ENVTEST_URL"] ?? RELEASES;
  return { version: VERSION, baseUrl, platform, sha512: SHA512[platform] };
}

/**
 * Downloads the official envtest archive (etcd, kube-apiserver, kubectl), checks its digest and unpacks it, once; the
 * folder of the programs is below `cache`. Says on standard error what it waits for. Throws an Error that says what to
 * do where there is no archive, or no way to it.
 */
export async function provideEnvtestPrograms(
  cache: string,
  environment: NodeJS.ProcessEnv,
  release: EnvtestRelease = officialRelease(environment),
): Promise<string> {
  const { version, platform, sha512 } = release;
  const folder = path.join(cache, `${version}-${platform}`);
  if (existsSync(folder)) return folder;
  if (sha512 === undefined)
    throw new Error(
      `There are no Kubernetes programs for ${platform} to download, and no Go to compile them. ${ADVICE}`,
    );
  await mkdir(cache, { recursive: true });
  const work = await mkdtemp(path.join(cache, "download-"));
  try {
    const url = `${release.baseUrl}/envtest-${version}/envtest-${version}-${platform}.tar.gz`;
    const archive = path.join(work, "archive.tar.gz");
    console.error(`Downloading etcd and kube-apiserver ${version} from ${url}`);
    const digest = await download(url, archive);
    if (digest !== sha512)
      throw new Error(`The archive ${url} is not the official one: its SHA-512 is ${digest}, expected ${sha512}.`);
    const unpacked = path.join(work, "unpacked");
    await mkdir(unpacked);
    await run("tar", ["-xzf", archive, "-C", unpacked, "--strip-components=2", "controller-tools/envtest"]);
    // Another test run may have put the same there meanwhile.
    await rename(unpacked, folder).catch((error: unknown) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}

/** Writes what the URL answers to a file, counting it on standard error, and returns its SHA-512 in hexadecimal. */
async function download(url: string, file: string): Promise<string> {
  const silence = new AbortController();
  let timer = setTimeout(() => {
    silence.abort();
  }, SILENCE_MS);
  const hash = createHash("sha512");
  let bytes = 0;
  let reportedBytes = 0;
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      timer = timer.refresh();
      hash.update(chunk);
      bytes += chunk.length;
      if (bytes - reportedBytes >= 10e6) {
        reportedBytes = bytes;
        console.error(`  ${Math.round(bytes / 1e6)} MB`);
      }
      done(null, chunk);
    },
  });
  try {
    const response = await fetch(url, { signal: silence.signal });
    if (!response.ok || response.body === null)
      throw new Error(`the server answered with status ${response.status} ${response.statusText}`);
    await pipeline(Readable.fromWeb(response.body), count, createWriteStream(file), { signal: silence.signal });
  } catch (error) {
    throw new Error(
      `Kubernetes' programs for the tests cannot be downloaded from ${url}: ${describe(error)}. ${ADVICE} ` +
        `A proxy is used when NODE_USE_ENV_PROXY=1 is set; LOCKSTEP_ENVTEST_URL names a mirror.`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
  }
  return hash.digest("hex");
}

/** With the cause that fetch keeps behind "fetch failed". */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message} (${error.cause.message})` : error.message;
}
