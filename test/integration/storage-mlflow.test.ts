import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startMlflow, type MlflowServer } from "./mlflow-server.ts";
import { testStorage } from "./storage-battery.ts";
import { startFaultProxy, type FaultProxy, type SeenRequest } from "./storage-fault-proxy.ts";
import {
  bytesOf,
  fetchOutcome,
  listingOutcome,
  openRepository,
  sha256,
  signal,
  type TestRepositoryOptions,
} from "./storage-support.ts";

let server: MlflowServer;
let proxy: FaultProxy;

const isDownload = ({ path: address }: SeenRequest): boolean => address.includes("/mlflow-artifacts/artifacts/");
const withEnvironment = (environment: Record<string, string> = {}): TestRepositoryOptions => ({
  storage: { endpoint: proxy.endpoint },
  environment,
});

beforeAll(async () => {
  server = await startMlflow();
  proxy = await startFaultProxy(server.endpoint);
});

afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

beforeEach(() => {
  proxy.decide = () => undefined;
  proxy.requests.length = 0;
});

testStorage({ resumes: true, announcesDigests: false, holdsFolders: false }, () => ({
  proxy,
  options: withEnvironment({ MLFLOW_TRACKING_TOKEN: "token-canary" }),
  uri: (name) => `mlflow://${name}`,
  publish: async (name, files) => void (await server.register(name, files)),
  isDownload,
}));

/** What mlflow.onnx.log_model writes, without what is not looked at. */
const description = (data: string): Buffer =>
  Buffer.from(
    [
      "artifact_path: model",
      "flavors:",
      "  onnx:",
      "    code: null",
      `    data: ${data}`,
      "    onnx_version: 1.19.0",
      "    providers:",
      "    - CPUExecutionProvider",
      "  python_function:",
      `    data: ${data}`,
      "    loader_module: mlflow.onnx",
      "mlflow_version: 3.17.2",
      "",
    ].join("\n"),
  );

describe("a model of MLflow's registry", () => {
  const name = "digits of MNIST";
  const uri = "mlflow://digits%20of%20MNIST";
  const [first, second] = [bytesOf("first", 1_000), bytesOf("second", 1_000)];

  beforeAll(async () => {
    for (const model of [first, second]) {
      const files = { "model.onnx": model, MLmodel: description("model.onnx"), "data/w é.bin": Buffer.from("w") };
      await server.register(name, files);
    }
    await server.setAlias(name, "champion", "1");
  });

  test("has the registry's versions, one of them, or the one that has an alias", async () => {
    for (const [place, versions] of [
      [uri, [1, 2]],
      [`${uri}/1`, [1]],
      [`${uri}@champion`, [1]],
    ] as const) {
      await using repository = openRepository(place, withEnvironment());
      expect(await repository.listVersions(signal)).toEqual({ versions: versions, rewritten: [], arriving: [] });
    }
    await using repository = openRepository(uri, withEnvironment());
    expect(await repository.fetchVersion(2, () => {}, signal)).toMatchObject({
      digest: sha256(second),
      sizeBytes: 1_000 + description("model.onnx").length + 1,
    });
    expect(await fetchOutcome(`${uri}@champion`, withEnvironment(), 1)).toBe(sha256(first));
  });

  test("is another version once its alias has moved", async () => {
    const moving = await server.register("moving", { "model.onnx": first });
    await server.register("moving", { "model.onnx": second });
    await server.setAlias("moving", "champion", moving);
    await using repository = openRepository("mlflow://moving@champion", withEnvironment());
    expect((await repository.listVersions(signal)).versions).toEqual([1]);
    await server.setAlias("moving", "champion", "2");
    // What the registry has is complete, but only another look shows that it is not just arriving.
    expect(await repository.listVersions(signal)).toEqual({ versions: [], rewritten: [], arriving: [2] });
    expect(await repository.listVersions(signal)).toEqual({ versions: [2], rewritten: [], arriving: [] });
    expect(await repository.fetchVersion(2, () => {}, signal)).toMatchObject({ digest: sha256(second) });
    await server.setAlias("moving", "champion", "1");
    await repository.listVersions(signal);
    expect((await repository.listVersions(signal)).versions).toEqual([1]);
  });

  test("that is missing, or has no such version or alias, is named", async () => {
    expect(await listingOutcome("mlflow://absent", withEnvironment())).toBe(
      `StorageNotFound: mlflow://absent does not exist at ${proxy.endpoint}`,
    );
    expect(await listingOutcome(`${uri}/9`, withEnvironment())).toBe(
      `StorageNotFound: mlflow://${name}/9 does not exist at ${proxy.endpoint}`,
    );
    expect(await listingOutcome(`${uri}@absent`, withEnvironment())).toMatch(
      /^StorageNotFound: mlflow:\/\/digits of MNIST@absent does not exist at /,
    );
    expect(await listingOutcome(uri, { environment: {} })).toBe(
      `StorageNotFound: mlflow://${name} needs the address of MLflow's tracking server in storage.endpoint, such as http://mlflow.mlflow:5000`,
    );
  });

  test("whose artifacts are elsewhere says where", async () => {
    await server.registerElsewhere("elsewhere", "s3://bucket/models/digits");
    expect(await listingOutcome("mlflow://elsewhere", withEnvironment())).toMatch(
      /^StorageNotFound: the artifacts of mlflow:\/\/elsewhere\/1 are at s3:\/\/bucket\/models\/digits, which the tracking server does not pass on: name that place in storageUri/,
    );
  });

  test("is asked for by token, or by user and password", async () => {
    const basic = `Basic ${btoa("reader:password-canary")}`;
    for (const [header, environment] of [
      ["Bearer token-canary", { MLFLOW_TRACKING_TOKEN: "token-canary" }],
      [basic, { MLFLOW_TRACKING_USERNAME: "reader", MLFLOW_TRACKING_PASSWORD: "password-canary" }],
    ] as const) {
      proxy.decide = ({ headers }) => (headers["authorization"] === header ? undefined : { status: 401 });
      expect(await fetchOutcome(`${uri}/1`, withEnvironment(environment))).toBe(sha256(first));
    }
    expect(await listingOutcome(uri, withEnvironment())).toBe(
      `StorageAccessDenied: access to mlflow://${name} was denied (401) without credentials: name a Secret in storage.secretRef`,
    );
    expect(await listingOutcome(uri, withEnvironment({ MLFLOW_TRACKING_TOKEN: "wrong" }))).toBe(
      `StorageAccessDenied: access to mlflow://${name} was denied (401) with the credentials of storage.secretRef: they must be valid and allow to read the registered model`,
    );
  });

  test("is fetched anew if a file of it changes during a download, never mixed", async () => {
    const [before, after] = [bytesOf("before", 3_000_000), bytesOf("after", 3_000_000)];
    const version = await server.register("replaced", { "model.onnx": before });
    let downloads = 0;
    let address = "";
    proxy.decide = (request) => {
      if (!isDownload(request) || ++downloads > 1) return undefined;
      address = server.endpoint + request.path;
      const meanwhile = async (): Promise<void> =>
        void (await fetch(address, { method: "PUT", body: new Uint8Array(after) }));
      return { cutAfter: 1_000_000, meanwhile };
    };
    expect(await fetchOutcome("mlflow://replaced", withEnvironment(), Number(version))).toBe(sha256(after));
  });
});

describe("a folder that MLflow logged, in any storage", () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), "lockstep-mlflow-"));
  });
  afterAll(async () => {
    await rm(folder, { recursive: true });
  });

  async function place(name: string, files: Readonly<Record<string, Buffer | string>>): Promise<string> {
    for (const [file, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(folder, name, file)), { recursive: true });
      await writeFile(path.join(folder, name, file), content);
    }
    return `file://${folder}/${name}`;
  }

  test("serves the file that its description names", async () => {
    const uri = await place("chosen", {
      MLmodel: description("net.onnx"),
      "net.onnx": "net",
      "encoder.onnx": "encoder",
      "requirements.txt": "onnx",
    });
    expect(await fetchOutcome(uri)).toBe(sha256(Buffer.from("net")));
    const versions = await place("versions", { "3/MLmodel": description("a.onnx"), "3/a.onnx": "a", "3/b.onnx": "b" });
    expect(await fetchOutcome(versions, {}, 3)).toBe(sha256(Buffer.from("a")));
  });

  test("is refused with what to do if it is of another framework, or not what it says", async () => {
    const sklearn = "flavors:\n  python_function: {}\n  sklearn:\n    pickled_model: model.pkl\n";
    const uri = await place("sklearn", { MLmodel: sklearn, "model.pkl": "x" });
    expect(await listingOutcome(uri)).toBe("versions 1");
    expect(await fetchOutcome(uri)).toBe(
      `StorageNotFound: ${uri} was logged by MLflow without the flavor onnx (it has python_function, sklearn): log the model with mlflow.onnx.log_model`,
    );
    for (const text of ["[", "a: b", "flavors: [onnx]", "x".repeat(1_000)])
      expect(await fetchOutcome(await place("broken", { MLmodel: text }))).toBe(
        `StorageNotFound: file://${folder}/broken/MLmodel is not a description of a model by MLflow`,
      );
    for (const data of ["absent.onnx", "../model.onnx", "data/model.onnx"])
      expect(await fetchOutcome(await place("missing", { MLmodel: description(data), "data/model.onnx": "x" }))).toBe(
        `StorageNotFound: file://${folder}/missing holds no file of the name that MLmodel says under flavors.onnx.data`,
      );
    expect(await fetchOutcome(await place("large", { MLmodel: "#".repeat(2_000_000) }))).toMatch(
      /^StorageNotFound: .*\/large\/MLmodel is larger than 1048576 bytes$/,
    );
  });
});
