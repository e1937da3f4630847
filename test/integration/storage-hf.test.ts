import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startHfHub, type HfHub } from "./hf-hub.ts";
import { testStorage } from "./storage-battery.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import { bytesOf, fetchOutcome, listingOutcome, sha256, type TestRepositoryOptions } from "./storage-support.ts";

let hub: HfHub;
let proxy: FaultProxy;

const isDownload = ({ path }: SeenRequest): boolean => path.startsWith("/content/");
const withToken = (HF_TOKEN = hub.token): TestRepositoryOptions => ({
  storage: { endpoint: proxy.endpoint },
  environment: { HF_TOKEN },
});
const withoutToken = (): TestRepositoryOptions => ({ storage: { endpoint: proxy.endpoint }, environment: {} });

beforeAll(async () => {
  hub = await startHfHub();
  proxy = await startFaultProxy(hub.endpoint);
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await hub?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
  hub.contentOrigin = "";
});

testStorage({ resumes: true, announcesDigests: true }, () => ({
  proxy,
  options: withToken(),
  uri: (name) => `hf://private/${name}`,
  publish: (name, files) => {
    hub.commit(`private/${name}`, files);
    return Promise.resolve();
  },
  isDownload,
}));

describe("a repository of the hub", () => {
  test("may be read at a folder, a file, a branch or a commit", async () => {
    const [first, second] = [bytesOf("first", 1_000), bytesOf("second", 1_000)];
    const commit = hub.commit("acme/digits", { "onnx/net.onnx": first, "config.json": Buffer.from("{}") });
    hub.commit("acme/digits", { "onnx/net.onnx": second, "config.json": Buffer.from("{}") });
    const outcomes = await Promise.all(
      [
        "hf://acme/digits/onnx",
        "hf://acme/digits/onnx/net.onnx",
        "hf://acme/digits@main/onnx/net.onnx",
        `hf://acme/digits@${commit}/onnx`,
      ].map((uri) => fetchOutcome(uri, withoutToken())),
    );
    expect(outcomes).toEqual([sha256(second), sha256(second), sha256(second), sha256(first)]);
    expect(proxy.requests.every(({ headers }) => headers["authorization"] === undefined)).toBe(true);
  });

  test("may have more than a page of entries", async () => {
    const files = Object.fromEntries(Array.from({ length: 2_500 }, (_, i) => [`a${i}.txt`, Buffer.from("x")]));
    hub.commit("acme/many", { ...files, "z/1/model.onnx": Buffer.from("m"), "zz.txt": Buffer.from("x") });
    expect(await listingOutcome("hf://acme/many", withoutToken())).toMatch(
      /^StorageNotFound: .* holds no model: .*; found z\/, a0\.txt.* and 2497 more$/,
    );
    expect(proxy.requests.filter(({ path }) => path.includes("/tree/"))).toHaveLength(3);
  });

  test("that gets a commit during a download is read at the commit that was listed", async () => {
    const [before, after] = [bytesOf("before", 3_000_000), bytesOf("after", 3_000_000)];
    hub.commit("acme/moving", { "model.onnx": before });
    let downloads = 0;
    const meanwhile = (): Promise<void> => {
      hub.commit("acme/moving", { "model.onnx": after });
      return Promise.resolve();
    };
    proxy.decide = (request) =>
      isDownload(request) && ++downloads === 1 ? { cutAfter: 1_000_000, meanwhile } : undefined;
    expect(await fetchOutcome("hf://acme/moving", withoutToken())).toBe(sha256(before));
    expect(await fetchOutcome("hf://acme/moving", withoutToken())).toBe(sha256(after));
  });

  test("has its large files elsewhere, where the token is not sent", async () => {
    hub.commit("private/elsewhere", { "model.onnx": Buffer.from("elsewhere") });
    await using content = await startFaultProxy(hub.endpoint);
    hub.contentOrigin = content.endpoint;
    expect(await fetchOutcome("hf://private/elsewhere", withToken())).toBe(sha256(Buffer.from("elsewhere")));
    expect(content.requests.map(({ headers }) => headers["authorization"])).toEqual([undefined]);
    proxy.decide = ({ path }) =>
      path.includes("/resolve/") ? { status: 302, headers: { location: "http://127.0.0.2:1/x" } } : undefined;
    expect(await fetchOutcome("hf://private/elsewhere", { ...withToken(), deny: ["127.0.0.2"] })).toMatch(
      /^StorageUnreachable: .*127\.0\.0\.2 lies in 127\.0\.0\.2, a network that LOCKSTEP_STORAGE_DENY forbids/,
    );
  });

  test("is said to be missing, private or gated", async () => {
    hub.commit("acme/there", { "a/model.onnx": Buffer.from("x") });
    hub.commit("private/there", { "model.onnx": Buffer.from("x") });
    hub.commit("gated/there", { "model.onnx": Buffer.from("x") });
    expect(await listingOutcome("hf://acme/there@v9", withoutToken())).toBe(
      `StorageNotFound: hf://acme/there has no revision "v9" at ${proxy.endpoint}`,
    );
    expect(await listingOutcome("hf://acme/there/b/model.onnx", withoutToken())).toBe(
      "StorageNotFound: hf://acme/there/b/model.onnx does not exist",
    );
    expect(await listingOutcome("hf://acme/absent", withToken())).toBe(
      `StorageNotFound: repository "acme/absent" does not exist at ${proxy.endpoint}, or HF_TOKEN does not allow to see it`,
    );
    expect(await listingOutcome("hf://private/there", withoutToken())).toBe(
      "StorageAccessDenied: access to hf://private/there was denied (401) without a token: it is private, or does not exist; name a Secret with HF_TOKEN in storage.secretRef",
    );
    expect(await listingOutcome("hf://acme/there", withToken("wrong-canary"))).toBe(
      "StorageAccessDenied: access to hf://acme/there was denied (401) with HF_TOKEN: it must be valid and allow to read the repository's contents",
    );
    expect(await fetchOutcome("hf://gated/there", withToken())).toBe(
      "StorageAccessDenied: access to hf://gated/there/model.onnx was denied (403 GatedRepo): the user of HF_TOKEN must accept the repository's conditions on its page",
    );
  });
});
