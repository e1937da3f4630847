import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { ReplicaState } from "../../common/admin-api.ts";
import { FeatureCounter } from "../../common/drift/feature-counter.ts";
import { writeLearning } from "../../common/drift/learning-sketch.ts";
import { profileHash } from "../../common/drift/make-profile.ts";
import { NumericSketch } from "../../common/drift/numeric-sketch.ts";
import { parseProfile, type Profile } from "../../common/drift/profile.ts";
import {
  DURATION_BOUNDS_SECONDS,
  MONITORING_PATH,
  OUTCOMES_PATH,
  parseForwardedOutcomes,
  parseReferenceAssignment,
  PROFILE_PATH,
  REFERENCE_PATH,
  type Outcome,
  type ReplicaDrift,
  type ReplicaMonitoring,
} from "../../common/monitoring-api.ts";
import type { KubeObject } from "../../operator/kube/object.ts";
import { RESOURCES } from "../../operator/kube/resources.ts";
import type { PodObject } from "../../operator/observed/observation.ts";
import type { Replicas } from "../../operator/replicas/replicas.ts";
import { joiningReplicas } from "./joining-replicas.ts";
import { setPods, type Sandbox } from "./operator-under-test.ts";

/** The version that all replicas answer with. */
export const VERSION = 2;
export const DIGEST = "sha256:0123";
const NAMES = ["input[0]", "input[1]"];

const MODELS: ReplicaState["models"] = [
  {
    name: "digits",
    activeVersion: VERSION,
    listed: [VERSION],
    versions: [{ version: VERSION, state: "Available", digest: DIGEST }],
  },
];

/** A replica that does nothing but count what it is asked, as the runtime does. */
export class MonitoredReplica {
  readonly #instance = crypto.randomUUID();
  #sketches = NAMES.map(() => new NumericSketch(false));
  #rows = 0;
  #sampledRows = 0;
  #counting:
    { readonly profile: Profile; readonly hash: string; readonly counters: readonly FeatureCounter[] } | undefined;
  #strays: (Outcome & { number: number })[] = [];
  /** Outcomes that the operator has brought. */
  readonly brought: Outcome[] = [];
  /** References that the operator has handed over. */
  assigned = 0;
  /** The learning that it has begun. */
  #relearn = "";
  /** Whether what it counts by was published with the version. */
  publishes = false;
  /** Whether it is of a release that tells nothing. */
  isOld = false;

  /** Answers a request with rows of two numbers. */
  infer(rows: readonly (readonly [number, number])[]): void {
    for (const row of rows) {
      row.forEach((value, column) => {
        if (this.#counting === undefined) this.#sketches[column]?.add(value);
        else this.#counting.counters[column]?.addNumber(value);
      });
    }
    this.#rows += rows.length;
    this.#sampledRows += rows.length;
  }

  /** Gets an outcome of a request that it does not know. */
  stray(requestId: string): void {
    this.#strays.push({ requestId, values: ["cat"], number: this.#strays.length });
  }

  get profile(): string | undefined {
    return this.#counting?.hash;
  }

  get relearn(): string {
    return this.#relearn;
  }

  answer(request: IncomingMessage, body: string, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://replica");
    const say = (status: number, content?: object): void => {
      response.statusCode = status;
      response.end(content === undefined ? undefined : JSON.stringify(content));
    };
    if (this.isOld) return say(404, { error: "no such path" });
    switch (`${request.method} ${pathname}`) {
      case `GET ${MONITORING_PATH}`:
        return say(200, this.#monitoring());
      case `GET ${PROFILE_PATH}`:
        return this.#counting?.hash === searchParams.get("hash") ? say(200, this.#counting?.profile) : say(404);
      case `POST ${REFERENCE_PATH}`: {
        const { version, digest, profile, relearn = "" } = parseReferenceAssignment(JSON.parse(body));
        if (version !== VERSION || digest !== DIGEST) return say(409);
        if (profile !== undefined) {
          this.assigned++;
          this.#count(parseProfile(profile));
        } else if (relearn !== this.#relearn) this.#learnAnew();
        this.#relearn = relearn;
        return say(204);
      }
      case `POST ${OUTCOMES_PATH}`:
        this.brought.push(...parseForwardedOutcomes(JSON.parse(body)).outcomes);
        return say(204);
      default:
        return say(404);
    }
  }

  #learnAnew(): void {
    if (this.publishes) return;
    this.#sampledRows = 0;
    this.#counting = undefined;
    this.#sketches = NAMES.map(() => new NumericSketch(false));
  }

  #count(profile: Profile): void {
    this.#sampledRows = 0;
    const counters = profile.features.map(({ reference }) => new FeatureCounter(reference));
    this.#counting = { profile, hash: profileHash(profile), counters };
  }

  #monitoring(): ReplicaMonitoring {
    return {
      instance: this.#instance,
      takenAtMs: performance.now(),
      models: [
        {
          name: "digits",
          inFlight: 0,
          versions: [
            {
              version: VERSION,
              digest: DIGEST,
              requests: { OK: this.#rows },
              duration: {
                counts: [this.#rows, ...DURATION_BOUNDS_SECONDS.map(() => 0)],
                sumSeconds: this.#rows / 10_000,
              },
              rows: this.#rows,
              queueSeconds: 0,
              computeSeconds: this.#rows / 20_000,
              drift: this.#drift(),
              outcomes: {
                joined: 4,
                labels: 4,
                correct: 3,
                numbers: 0,
                absoluteError: 0,
                squaredError: 0,
              },
            },
          ],
          strayOutcomes: this.#strays,
        },
      ],
    };
  }

  #drift(): ReplicaDrift {
    const relearn = this.#relearn;
    if (this.#counting === undefined) {
      const features = NAMES.map((name, column) => ({
        name,
        side: "input" as const,
        sketch: this.#sketches[column] ?? new NumericSketch(false),
      }));
      return { state: "Learning", rows: this.#sampledRows, features: writeLearning(features), relearn };
    }
    const { hash, counters } = this.#counting;
    return {
      state: "Counting",
      source: this.publishes ? "Published" : "Learned",
      relearn,
      profile: hash,
      rows: this.#sampledRows,
      features: counters.map((counter) => {
        const { counts, missing, outOfRange } = counter.read();
        return { counts: [...counts], missing, outOfRange };
      }),
    };
  }
}

/** Replicas of an InferenceService in a sandbox, and the kubelet that says they run. */
export interface MonitoredFleet {
  /** For OperatorOptions. */
  readonly monitoringPort: number;
  readonly replicas: Replicas;
  /** By name of the pod, in no order; those of pods that exist. */
  all(): readonly MonitoredReplica[];
  close(): Promise<void>;
}

export async function startMonitoredFleet(sandbox: Sandbox): Promise<MonitoredFleet> {
  let count = 0;
  /** By uid of the pod. */
  const fleet = new Map<string, { readonly address: string; readonly replica: MonitoredReplica }>();
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request
      .on("data", (part: Buffer) => parts.push(part))
      .on("end", () => {
        const found = [...fleet.values()].find(({ address }) => address === request.socket.localAddress);
        if (found === undefined) response.writeHead(503).end();
        else found.replica.answer(request, Buffer.concat(parts).toString(), response);
      });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "0.0.0.0", resolve);
  });
  const stop = new AbortController();

  async function kubelet(): Promise<void> {
    while (!stop.signal.aborted) {
      const all = await sandbox.list<PodObject & KubeObject>(RESOURCES.pods);
      const alive = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
      const uids = new Set(alive.map(({ metadata }) => metadata.uid ?? ""));
      for (const uid of fleet.keys()) if (!uids.has(uid)) fleet.delete(uid);
      for (const pod of alive) {
        const uid = pod.metadata.uid ?? "";
        if (fleet.has(uid)) continue;
        const address = `127.0.1.${++count}`;
        fleet.set(uid, { address, replica: new MonitoredReplica() });
        // One may have been deleted meanwhile.
        await setPods(sandbox, [pod], true, { podIP: address, podIPs: [{ ip: address }] }).catch(() => {});
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 100);
      });
    }
  }
  const running = kubelet();

  return {
    monitoringPort: (server.address() as AddressInfo).port,
    replicas: joiningReplicas(MODELS, ({ metadata }) => fleet.has(metadata.uid ?? "")),
    all: () => [...fleet.values()].map(({ replica }) => replica),
    close: async () => {
      stop.abort();
      await running.catch(() => {});
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}
