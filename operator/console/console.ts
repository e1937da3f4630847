import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { InferenceService } from "../../common/inferenceservice.gen.ts";
import { listenOnPort } from "../../common/listen-on-port.ts";
import type { Logger } from "../../common/logger.ts";
import { systemClock } from "../controller/clock.ts";
import type { PersonAccess } from "../kube/person-access.ts";
import type { OperatorConfig } from "../config.ts";
import { CommandSigner } from "../replicas/command-signer.ts";
import { ReplicaClient } from "../replicas/replica-client.ts";
import { createConsoleApp } from "./console-app.ts";
import type { ConsoleSources } from "./console-data.ts";
import { loadPageFiles, type PageFiles } from "./page-files.ts";
import { ReadingRights } from "./reading-rights.ts";
import { ReplicaStates } from "./replica-states.ts";
import { Timeline } from "./timeline.ts";

export interface ConsoleOptions {
  readonly config: Pick<
    OperatorConfig,
    "LOCKSTEP_CONSOLE_PORT" | "LOCKSTEP_CONSOLE_REQUIRE_TOKEN" | "LOCKSTEP_CONSOLE_HOSTS" | "LOCKSTEP_CLUSTER_DOMAIN"
  >;
  readonly world: ConsoleSources["world"];
  readonly monitoring: ConsoleSources["monitoring"];
  /** The API server, as people reach it with tokens of their own. */
  readonly people: PersonAccess;
  /** The key that replicas know the operator by, in PEM. */
  readonly privateKeyPem: (signal: AbortSignal) => Promise<string>;
  readonly logger: Logger;
  /** Default: those of the release. */
  readonly files?: PageFiles;
  /** Who asks replicas how they are. Default: HTTP to their admin port. */
  readonly replicaStates?: ConsoleSources["replicaStates"];
  /** The wall clock, in ms since 1970. Default: Date's. */
  readonly nowMs?: () => number;
}

/** The web console of an operator. */
export interface Console {
  readonly port: number;
  /** Something about an InferenceService has changed. */
  changed(key: string): void;
  close(): Promise<void>;
}

/** A replica answers in a few ms; a page does not wait longer for it, in ms. */
const REPLICA_TIMEOUT_MS = 1_500;

/** Starts the console; undefined where the configuration has it off. Rejects where its port cannot be had. */
export async function startConsole(options: ConsoleOptions): Promise<Console | undefined> {
  const { config, world, people, logger } = options;
  if (config.LOCKSTEP_CONSOLE_PORT < 0) return undefined;
  const nowMs = options.nowMs ?? Date.now;
  const stopping = new AbortController();
  const { signal } = stopping;
  let replicaClient: Promise<ReplicaClient> | undefined;
  const client = (): Promise<ReplicaClient> =>
    (replicaClient ??= options.privateKeyPem(signal).then(
      (key) => new ReplicaClient({ signer: new CommandSigner(key), timeoutMs: REPLICA_TIMEOUT_MS }),
      (error: unknown) => {
        // The next page asks again.
        replicaClient = undefined;
        throw error;
      },
    ));
  const replicaStates =
    options.replicaStates ??
    new ReplicaStates({
      ask: async (origin) => (await client()).ask(origin, undefined, signal),
      clock: systemClock,
      signal,
    });
  const timeline = new Timeline();
  const app = createConsoleApp({
    sources: { world, monitoring: options.monitoring, replicaStates, timeline, nowMs },
    files: options.files ?? (await loadPageFiles()),
    people,
    readingRights: config.LOCKSTEP_CONSOLE_REQUIRE_TOKEN
      ? new ReadingRights({ ask: (token, namespace) => people.mayList(token, namespace, signal), clock: systemClock })
      : undefined,
    hosts: config.LOCKSTEP_CONSOLE_HOSTS,
    clusterDomain: config.LOCKSTEP_CLUSTER_DOMAIN,
    logger,
    signal,
  });
  const server = createServer({ headersTimeout: 5_000, requestTimeout: 10_000 }, app);
  await listenOnPort(server, config.LOCKSTEP_CONSOLE_PORT);
  const note = (key: string, isvc: InferenceService | undefined): void => timeline.note(key, isvc, nowMs());
  return {
    port: (server.address() as AddressInfo).port,
    changed: (key) => note(key, world.inferenceService(key)),
    close: async () => {
      stopping.abort(new Error("the operator stops"));
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      await (await replicaClient?.catch(() => undefined))?.close();
    },
  };
}
