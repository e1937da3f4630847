import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { CreateBucketCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { describe, expect, onTestFinished, test } from "vitest";
import type { RuntimeConfigInput } from "../../common/runtime-config.ts";
import { identityModel } from "../fixtures/onnx-builder.ts";
import { EXAMPLES, eventually, infer, inferBody, startReplicaProcess, temporaryFolder } from "./runtime-under-test.ts";
import { startS3Server } from "./s3-server.ts";

const MODELS = path.join(EXAMPLES, "models/version-echo");
const BODY = inferBody("input", "FP32", [0], [1, 1]);

/** A repository that a test writes versions of version-echo to. */
interface Repository {
  readonly model: Pick<RuntimeConfigInput["models"][number], "storageUri" | "storage">;
  readonly environment: Readonly<Record<string, string>>;
  put(version: number, model: Uint8Array): Promise<void>;
}

const REPOSITORIES: Readonly<Record<string, () => Promise<Repository>>> = {
  "a folder": async () => {
    const folder = await temporaryFolder();
    return {
      model: { storageUri: `file://${folder}` },
      environment: {},
      put: async (version, model) => {
        await mkdir(path.join(folder, String(version)), { recursive: true });
        await writeFile(path.join(folder, String(version), "model.onnx"), model);
      },
    };
  },
  "a bucket": async () => {
    const server = await startS3Server();
    onTestFinished(() => server.stop());
    const { endpoint, region, accessKeyId, secretAccessKey } = server;
    const client = new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    });
    onTestFinished(() => client.destroy());
    await client.send(new CreateBucketCommand({ Bucket: "models" }));
    return {
      model: { storageUri: "s3://models/echo", storage: { endpoint } },
      environment: { ...server.environment, LOCKSTEP_STORAGE_DENY: "", AWS_EC2_METADATA_DISABLED: "true" },
      put: async (version, Body) => {
        await client.send(new PutObjectCommand({ Bucket: "models", Key: `echo/${version}/model.onnx`, Body }));
      },
    };
  },
};

describe.each(Object.keys(REPOSITORIES))("a replica that polls %s", (kind) => {
  test("changes to a new version without a request that fails, and to none that clients could not use", async () => {
    const repository = await (REPOSITORIES[kind] as () => Promise<Repository>)();
    const [one, two] = await Promise.all(
      [1, 2].map((version) => readFile(path.join(MODELS, String(version), "model.onnx"))),
    );
    await repository.put(1, one as Buffer);
    const config: RuntimeConfigInput = {
      configVersion: 1,
      service: { namespace: "default", name: "echo" },
      models: [{ name: "echo", format: "onnx", pollIntervalMs: 100, ...repository.model }],
    };
    const configFile = path.join(await temporaryFolder(), "config.json");
    await writeFile(configFile, JSON.stringify(config));
    const replica = await startReplicaProcess({ ...repository.environment, LOCKSTEP_CONFIG: configFile });
    const said = (): string => replica.process.output;
    const echo = async (): Promise<{ readonly status: number; readonly version: string }> => {
      const response = await infer(replica.url, "echo", BODY);
      return { status: response.status, version: ((await response.json()) as { model_version: string }).model_version };
    };
    await eventually(async () => ((await replica.state()).phase === "Ready" ? true : undefined), said);
    expect(await echo()).toEqual({ status: 200, version: "1" });

    await repository.put(2, two as Buffer);
    const seen: string[] = [];
    await eventually(async () => {
      const { status, version } = await echo();
      expect(status).toBe(200);
      seen.push(version);
      const [model] = (await replica.state()).models;
      return version === "2" && model?.versions.length === 1 ? true : undefined;
    }, said);
    expect(seen).toEqual(seen.toSorted());

    await repository.put(3, identityModel("INT64"));
    const [model] = await eventually(async () => {
      const { models, phase } = await replica.state();
      expect(phase).toBe("Ready");
      return models[0]?.versions.some(({ failure }) => failure !== undefined) ? models : undefined;
    }, said);
    expect(model).toMatchObject({
      activeVersion: 2,
      listed: [1, 2, 3],
      versions: [
        { version: 2, state: "Available" },
        {
          version: 3,
          failure: {
            reason: "SignatureMismatch",
            message: expect.stringMatching(
              /^clients of version 2 could not use it: input "input": expected FP32 .*, got INT64 \[-1\]$/,
            ),
          },
        },
      ],
    });
    expect((await fetch(`${replica.url}/v2/health/ready`)).status).toBe(200);

    await repository.put(2, one as Buffer);
    const rewritten = await eventually(async () => (await replica.state()).models[0]?.rewritten, said);
    expect(rewritten).toEqual([2]);
    expect(await echo()).toEqual({ status: 200, version: "2" });
    expect(said().match(/"msg":"versions were changed in the repository/g)).toHaveLength(1);
  });
});
