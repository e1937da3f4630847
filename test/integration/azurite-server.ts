import { createHmac, randomBytes } from "node:crypto";
import { provideAzurite } from "../programs/azurite.ts";
import { startStorageServer, type StorageServer } from "./storage-server.ts";

/** The emulator of Azure Blob Storage, with one account. */
export interface AzuriteServer extends StorageServer {
  readonly account: string;
  /** In base64. */
  readonly key: string;
  /** A shared access signature for the account's containers and blobs, with permissions such as "rl". */
  sas(permissions: string, expiresAt?: Date): string;
  createContainer(name: string, access?: "container"): Promise<void>;
  put(container: string, name: string, bytes: Buffer): Promise<void>;
}

/** Starts Microsoft's emulator of Azure Blob Storage. It checks signatures as the service does. */
export async function startAzurite(): Promise<AzuriteServer> {
  const program = await provideAzurite();
  const account = "acme";
  const key = randomBytes(64).toString("base64");
  const options = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--blobHost", "127.0.0.1"];
  const command = [process.execPath, program, ...options];
  const server = await startStorageServer({
    name: "azurite",
    command: (port) => ["env", `AZURITE_ACCOUNTS=${account}:${key}`, ...command, "--blobPort", String(port)],
    probe: "/",
  });
  const sas = (permissions: string, expiresAt = new Date(Date.now() + 3_600_000)): string =>
    accountSas({ account, key }, permissions, expiresAt);
  const send = async (path: string, query: string, init: RequestInit): Promise<void> => {
    const address = `${server.endpoint}/${account}/${path}?${query}${sas("rwlac")}`;
    const { status, ok } = await fetch(address, { method: "PUT", ...init });
    if (!ok) throw new Error(`Azurite answers with status ${status} to PUT ${path}`);
  };
  return {
    ...server,
    account,
    key,
    sas,
    createContainer: (name, access) =>
      send(name, "restype=container&", { headers: access === undefined ? {} : { "x-ms-blob-public-access": access } }),
    put: (container, name, bytes) =>
      send(`${container}/${name.split("/").map(encodeURIComponent).join("/")}`, "", {
        headers: { "x-ms-blob-type": "BlockBlob" },
        body: new Uint8Array(bytes),
      }),
  };
}

/** Signs as the service's documentation says for version 2021-12-02. */
function accountSas({ account, key }: { account: string; key: string }, permissions: string, expiresAt: Date): string {
  const version = "2021-12-02";
  const expiry = expiresAt.toISOString().replace(/\.\d+Z$/, "Z");
  const lines = [account, permissions, "b", "sco", "", expiry, "", "https,http", version, "", ""];
  const signature = createHmac("sha256", Buffer.from(key, "base64")).update(lines.join("\n")).digest("base64");
  const query = { sv: version, ss: "b", srt: "sco", sp: permissions, se: expiry, spr: "https,http", sig: signature };
  return String(new URLSearchParams(query));
}
