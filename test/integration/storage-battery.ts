import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { FaultProxy, SeenRequest } from "./storage-fault-proxy.ts";
import {
  bytesOf,
  fetchOutcome,
  listingOutcome,
  openRepository,
  QUICK,
  sha256,
  signal,
  type TestRepositoryOptions,
} from "./storage-support.ts";

const SIZE = 3_000_000;

/** A storage whose server is reached through a proxy that breaks things. */
export interface StorageUnderTest {
  readonly proxy: FaultProxy;
  /** With which its repositories are opened; all requests go through the proxy. */
  readonly options: TestRepositoryOptions;
  /** The storageUri of what was published under a name. */
  readonly uri: (name: string) => string;
  /** Makes files readable under a name, by the storage's own means, in place of those that were there. */
  readonly publish: (name: string, files: Readonly<Record<string, Buffer>>) => Promise<void>;
  /** Whether a request asks for the content of a model. */
  readonly isDownload: (request: SeenRequest) => boolean;
}

/** What a storage can do, beyond what all can. */
export interface StorageTraits {
  /** Parts of a file can be asked for, of a state that is known. */
  readonly resumes: boolean;
  /** Of each file, a digest is told. */
  readonly announcesDigests: boolean;
  /** A folder of versions can be published, with any names. */
  readonly holdsFolders?: boolean;
}

/** What holds for every storage: the same tests for each. */
export function testStorage(
  { resumes, announcesDigests, holdsFolders = true }: StorageTraits,
  subject: () => StorageUnderTest,
): void {
  describe("as in every storage", () => {
    test.runIf(holdsFolders)("versions are folders that hold a model, and are fetched with their data", async () => {
      const { publish, uri, options } = subject();
      const bytes = bytesOf("versions", 100_000);
      await publish("versions", {
        "2/model.onnx": bytes,
        "10/digits.onnx": bytes,
        "10/data/weights é+ %2e.bin": bytes.subarray(1),
        "11/weights.bin": bytes,
        "012/model.onnx": bytes,
        "v3/model.onnx": bytes,
        "README.md": bytes,
      });
      await using repository = openRepository(uri("versions"), options);
      expect(await repository.listVersions(signal)).toEqual({ versions: [2, 10], rewritten: [], arriving: [] });
      const fetched = await repository.fetchVersion(10, () => {}, signal);
      expect(fetched).toMatchObject({ version: 10, digest: sha256(bytes), sizeBytes: 199_999 });
      expect(await readFile(join(fetched.modelFile, "../data/weights é+ %2e.bin"))).toEqual(bytes.subarray(1));
      expect(await fetchOutcome(uri("versions"), options, 3)).toBe(
        "VersionNotFound: version 3 is not in the repository; there are 10, 2",
      );
    });

    test("a folder with a model is version 1, and one without is said to hold none", async () => {
      const { publish, uri, options } = subject();
      const bytes = bytesOf("single", 1_000);
      await publish("single", { "model.onnx": bytes, "w.bin": bytes });
      expect(await listingOutcome(uri("single"), options)).toBe("versions 1");
      expect(await fetchOutcome(uri("single"), options)).toBe(sha256(bytes));
      await publish("other", { "README.md": bytes });
      expect(await listingOutcome(uri("other"), options)).toMatch(
        /^StorageNotFound: \S+ holds no model: expected folders named by integers .*; found (README\.md|1\/)$/,
      );
    });

    test("what is not there is said to be not there", async () => {
      const { uri, options } = subject();
      expect(await listingOutcome(uri("nothing"), options)).toMatch(/^StorageNotFound: /);
    });

    test("an empty file and one of a single byte are what they are", async () => {
      const { publish, uri, options } = subject();
      await publish("small", { "model.onnx": Buffer.from("x"), "empty.bin": Buffer.alloc(0) });
      expect(await fetchOutcome(uri("small"), options)).toBe(sha256(Buffer.from("x")));
    });

    test("a download that breaks goes on, and what arrives has the exact digest", async () => {
      const { publish, uri, options, proxy, isDownload } = subject();
      const bytes = bytesOf("resumed", SIZE);
      await publish("resumed", { "model.onnx": bytes });
      let downloads = 0;
      proxy.decide = (request) => {
        if (!isDownload(request)) return undefined;
        downloads += 1;
        return downloads === 2 ? { status: 503 } : downloads < 5 ? { cutAfter: 700_000 } : undefined;
      };
      expect(await fetchOutcome(uri("resumed"), options)).toBe(sha256(bytes));
      const sent = proxy.requests.filter(isDownload);
      expect(sent).toHaveLength(5);
      expect(sent[0]?.headers["range"]).toBeUndefined();
      for (const { headers } of sent.slice(1))
        expect(String(headers["range"])).toMatch(resumes ? /^bytes=[1-9]\d*-$/ : /^undefined$/);
    });

    test.each([
      ["stops sending", { stallAfter: 100_000 }],
      ["breaks at once", { cutAfter: 0 }],
      ["never begins", { silent: true }],
    ])("a server that %s, again and again, is given up", async (_, fault) => {
      const { publish, uri, options, proxy, isDownload } = subject();
      await publish("broken", { "model.onnx": bytesOf("broken", SIZE) });
      proxy.decide = (request) => (isDownload(request) ? fault : undefined);
      const download = { ...QUICK.download, openTimeoutMs: 300, minimumRate: { windowMs: 300, minBytes: 10_000 } };
      const limits = { ...QUICK, download: { ...download, maxAttempts: 2 } };
      expect(await fetchOutcome(uri("broken"), { ...options, limits })).toMatch(
        /^StorageUnreachable: .*\(2 attempts to read \S+ failed after \d+ of (3000000|an unknown number of) bytes\)$/,
      );
      expect(proxy.requests.filter(isDownload)).toHaveLength(2);
    });

    test.runIf(announcesDigests)("a byte that changes on the way is noticed, and the file fetched again", async () => {
      const { publish, uri, options, proxy, isDownload } = subject();
      const bytes = bytesOf("damaged", 50_000);
      await publish("damaged", { "model.onnx": bytes });
      let downloads = 0;
      proxy.decide = (request) => (isDownload(request) ? { damage: ++downloads === 1 } : undefined);
      expect(await fetchOutcome(uri("damaged"), options)).toBe(sha256(bytes));
      expect(downloads).toBe(2);
      proxy.decide = (request) => (isDownload(request) ? { damage: true } : undefined);
      expect(await fetchOutcome(uri("damaged"), options)).toMatch(
        /^ChecksumMismatch: .*the storage announced \w+ [0-9a-f]+, and what arrived has/,
      );
    });

    test("a server that is busy is asked again; one that stays so is named with its status", async () => {
      const { publish, uri, options, proxy } = subject();
      await publish("busy", { "model.onnx": Buffer.from("x") });
      let asked = 0;
      proxy.decide = () => (++asked < 3 ? { status: 503 } : undefined);
      expect(await listingOutcome(uri("busy"), options)).toBe("versions 1");
      proxy.decide = () => ({ status: 503 });
      proxy.requests.length = 0;
      expect(await listingOutcome(uri("busy"), options)).toMatch(/^StorageUnreachable: .*answered with status 503/);
      expect(proxy.requests).toHaveLength(3);
    });

    test("a server that never answers is given up at the deadline", async () => {
      const { uri, options, proxy } = subject();
      proxy.decide = () => ({ silent: true });
      const limits = { ...QUICK, retry: { deadlineMs: 300 } };
      expect(await listingOutcome(uri("silent"), { ...options, limits })).toMatch(
        /^StorageUnreachable: .*did not answer within 300 ms$/,
      );
    });

    test("a refusal is told as one, with the place and without any secret", async () => {
      const { uri, options, proxy } = subject();
      const isSecret = ([name]: [string, unknown]): boolean => /KEY|TOKEN|SECRET|PASSWORD|JSON|AUTH/.test(name);
      const secrets = Object.entries(options.environment ?? {})
        .filter(isSecret)
        .map(([, value]) => value);
      for (const status of [401, 403]) {
        proxy.decide = () => ({ status });
        const outcome = await listingOutcome(uri("refused"), options);
        expect(outcome).toMatch(/^StorageAccessDenied: /);
        for (const secret of secrets) expect(outcome).not.toContain(secret);
      }
    });

    test("a forbidden network is not connected to", async () => {
      const { uri, options, proxy } = subject();
      proxy.requests.length = 0;
      expect(await listingOutcome(uri("x"), { ...options, deny: ["127.0.0.0/8"] })).toMatch(
        /^StorageUnreachable: .* is not asked: 127\.0\.0\.1 lies in 127\.0\.0\.0\/8, a network that LOCKSTEP_STORAGE_DENY forbids$/,
      );
      expect(proxy.requests).toEqual([]);
    });
  });
}
