import { onTestFinished } from "vitest";
import { createLogger } from "../../common/logger.ts";
import { parseRuntimeConfig, type RuntimeConfigInput } from "../../common/runtime-config.ts";
import { readRuntimeProcessConfig } from "../../runtime/config.ts";
import { startReplica, type Replica } from "../../runtime/replica.ts";
import { EXAMPLES, temporaryFolder } from "./runtime-under-test.ts";

/** A replica of iris in this process, and what it logged. */
export interface MonitoredReplica {
  readonly replica: Replica;
  readonly url: string;
  readonly log: () => string;
  /** A number from its page of metrics; 0 for a series that is not there. */
  readonly metric: (series: string) => Promise<number>;
}

export async function startMonitoredReplica(
  options: {
    readonly config?: Partial<RuntimeConfigInput>;
    readonly model?: Partial<RuntimeConfigInput["models"][number]>;
    readonly environment?: Readonly<Record<string, string>>;
  } = {},
): Promise<MonitoredReplica> {
  const lines: string[] = [];
  const replica = await startReplica({
    process: readRuntimeProcessConfig({
      LOCKSTEP_HOST: "127.0.0.1",
      LOCKSTEP_HTTP_PORT: "0",
      LOCKSTEP_ADMIN_PORT: "0",
      LOCKSTEP_GRPC_PORT: "0",
      LOCKSTEP_MODEL_DIR: await temporaryFolder(),
      LOCKSTEP_STORAGE_DENY: "",
      ...options.environment,
    }),
    config: parseRuntimeConfig({
      configVersion: 1,
      service: { namespace: "flowers", name: "iris-service" },
      models: [{ name: "iris", format: "onnx", storageUri: `file://${EXAMPLES}/models/iris`, ...options.model }],
      ...options.config,
    }),
    logger: createLogger({ name: "test", level: "debug", destination: { write: (line) => void lines.push(line) } }),
    onStuck: () => undefined,
  });
  onTestFinished(async () => void (await replica.stop({ drainDelayMs: 0 })));
  await replica.ready;
  const url = `http://127.0.0.1:${replica.httpPort}`;
  return {
    replica,
    url,
    log: () => lines.join(""),
    metric: async (series) => {
      const page = await (await fetch(`${url}/metrics`)).text();
      const line = page.split("\n").find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
  };
}

/** Flowers of which iris knows that they are 0, 1 and 2. */
export const FLOWERS: readonly (readonly number[])[] = [
  [5.1, 3.5, 1.4, 0.2],
  [5, 2, 3.5, 1],
  [6.9, 3.2, 5.7, 2.3],
];

/** Asks iris about flowers; answers with the id of the answer. */
export async function askIris(
  url: string,
  flowers: readonly (readonly number[])[] = FLOWERS,
  options: { readonly headers?: Record<string, string>; readonly id?: string; readonly path?: string } = {},
): Promise<{ readonly status: number; readonly id: string; readonly body: unknown }> {
  const response = await fetch(`${url}${options.path ?? "/v2/models/iris/infer"}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...options.headers },
    body: JSON.stringify({
      ...(options.id !== undefined && { id: options.id }),
      inputs: [{ name: "input", datatype: "FP32", shape: [flowers.length, 4], data: flowers.flat() }],
    }),
  });
  return { status: response.status, id: response.headers.get("x-request-id") ?? "", body: await response.json() };
}
