import { cp, mkdir, writeFile } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import path from "node:path";
import { startS3Server, type S3Server } from "../integration/s3-server.ts";
import { identityModel, onnxModel } from "../fixtures/onnx-builder.ts";
import { apply, kubectl } from "./kubectl.ts";
import { modelFolder } from "./model-samples.ts";

/** An S3 server on this machine that pods of the cluster under test reach, with the sample models and broken ones. */
export interface ModelStore {
  readonly server: S3Server;
  /** The `storage` of an InferenceService in a namespace that {@link admit} has let in. */
  readonly storage: object;
  /** Puts the credentials into a namespace, as Secret `s3`. */
  admit(namespace: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the server: buckets `models` and `broken`. */
export async function startModelStore(): Promise<ModelStore> {
  const server = await startS3Server({ host: await hostAddress() });
  await cp(modelFolder(), path.join(server.directory, "models"), { recursive: true });
  await writeBroken(path.join(server.directory, "broken"));
  return {
    server,
    storage: { endpoint: server.endpoint, region: server.region, secretRef: { name: "s3" } },
    async admit(namespace) {
      await apply(secret("s3", server.accessKeyId, server.secretAccessKey), namespace);
      await apply(secret("wrong", server.accessKeyId, "not-the-secret"), namespace);
    },
    stop: () => server.stop(),
  };
}

function secret(name: string, accessKeyId: string, secretAccessKey: string): object {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name },
    stringData: { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey },
  };
}

/** Models that cannot be served, each for one reason. */
async function writeBroken(bucket: string): Promise<void> {
  const models: Record<string, Uint8Array> = {
    garbage: Buffer.from("this is no model, however long one looks at it"),
    future: onnxModel(
      {
        inputs: [{ name: "input", type: "FLOAT", dims: ["n"] }],
        outputs: [{ name: "output", type: "FLOAT", dims: ["n"] }],
        nodes: [{ op: "Identity", inputs: ["input"], outputs: ["output"] }],
      },
      { opset: 999 },
    ),
    // Repeats its input until it fills 2 GiB, in order to add it up.
    greedy: onnxModel({
      inputs: [{ name: "input", type: "FLOAT", dims: [1] }],
      outputs: [{ name: "output", type: "FLOAT", dims: [1] }],
      nodes: [
        { op: "Expand", inputs: ["input", "shape"], outputs: ["many"] },
        { op: "ReduceSum", inputs: ["many"], outputs: ["output"], attributes: { keepdims: { kind: "int", value: 1 } } },
      ],
      initializers: {
        shape: { type: "INT64", dims: [1], data: new Uint8Array(new BigInt64Array([2n ** 29n]).buffer) },
      },
    }),
    fine: identityModel("FLOAT"),
  };
  for (const [name, content] of Object.entries(models)) {
    const folder = path.join(bucket, name, "1");
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, "model.onnx"), content);
  }
  await mkdir(path.join(bucket, "empty"));
}

/** The address by which pods reach this machine: that of the network which it shares with the node. */
async function hostAddress(): Promise<string> {
  const nodes = JSON.parse(await kubectl(["get", "nodes", "-o", "json"])) as {
    items: { status: { addresses: { type: string; address: string }[] } }[];
  };
  const node = nodes.items[0]?.status.addresses.find(({ type }) => type === "InternalIP")?.address ?? "";
  const network = (address: string): string => address.split(".").slice(0, 3).join(".");
  const found = Object.values(networkInterfaces())
    .flat()
    .find((candidate) => candidate?.family === "IPv4" && network(candidate.address) === network(node));
  if (found === undefined) throw new Error(`this machine has no address in the network of the node ${node}`);
  return found.address;
}
