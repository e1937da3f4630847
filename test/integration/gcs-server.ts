import { provideGoProgram } from "../programs/go-program.ts";
import { startStorageServer, type StorageServer } from "./storage-server.ts";

/** Makes sure that the emulator's program is there; returns its path. */
export function provideGcsServer(): Promise<string> {
  return provideGoProgram({
    title: "the emulator of Google Cloud Storage",
    module: "github.com/fsouza/fake-gcs-server",
    version: "v1.56.1",
  });
}

/** Starts an emulator of Google Cloud Storage. It asks nobody who they are. */
export async function startGcsServer(): Promise<StorageServer> {
  const program = await provideGcsServer();
  const options = ["-scheme", "http", "-host", "127.0.0.1", "-backend", "memory", "-log-level", "warn"];
  return await startStorageServer({
    name: "fake-gcs-server",
    command: (port) => [program, ...options, "-port", String(port)],
    probe: "/storage/v1/b?project=tests",
  });
}
