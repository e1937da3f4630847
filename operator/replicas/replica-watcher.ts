import type { ReplicaCommand, ReplicaReport } from "../../common/admin-api.ts";
import { sleep, systemClock, type Clock } from "../controller/clock.ts";
import type { ObservedReplica, PodObject } from "../observed/observation.ts";
import type { CommandSigner } from "./command-signer.ts";
import { ReplicaClient } from "./replica-client.ts";
import { originOf } from "./replica-origin.ts";
import type { CommandOutcome, Replicas } from "./replicas.ts";

export interface ReplicaWatcherOptions {
  readonly signer: CommandSigner;
  /** Told of pods whose replica says something new, or falls silent. */
  readonly changed: (pod: PodObject) => void;
  /** How long an answer may take, in ms. Default: 1500. */
  readonly timeoutMs?: number;
  /** How long a replica may say nothing while nothing changes, in ms. Default: 10 000. */
  readonly quietMs?: number;
  /** Default: the replicas'. */
  readonly port?: number;
  readonly clock?: Clock;
}

const PAUSE_MS = { first: 100, longest: 2_000 } as const;

interface Watched {
  pod: PodObject;
  report: ReplicaReport | undefined;
  /** Since when the replica does not answer; undefined where it does, or was never asked. */
  silentSinceMs: number | undefined;
  readonly stop: AbortController;
}

/**
 * Listens to replicas: a question to each is always open, and is answered when something has changed there. So the cache is as
 * fresh as the network allows, and costs next to nothing while nothing happens.
 */
export class ReplicaWatcher implements Replicas {
  readonly #options: ReplicaWatcherOptions;
  readonly #client: ReplicaClient;
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();

  constructor(options: ReplicaWatcherOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#client = new ReplicaClient({ signer: options.signer, timeoutMs: options.timeoutMs ?? 1_500 });
  }

  observe(pods: readonly PodObject[]): ObservedReplica[] {
    return pods.map((pod) => {
      const watched = this.#watch(pod);
      if (watched === undefined) return { pod, state: undefined };
      const { report, silentSinceMs } = watched;
      return {
        pod,
        // What a replica said before it fell silent may be about a process that is gone.
        state: silentSinceMs === undefined ? report?.state : undefined,
        instance: report?.instance,
        lastState: report?.state,
        silentSinceMs,
      };
    });
  }

  async command(pod: PodObject, command: ReplicaCommand, signal: AbortSignal): Promise<CommandOutcome> {
    const watched = this.#watch(pod);
    const origin = originOf(pod, this.#options.port);
    if (watched === undefined || origin === undefined) return { kind: "unanswered" };
    const { outcome, report } = await this.#client.tell(origin, command, signal);
    if (report === undefined) this.#note(watched, undefined);
    else this.#note(watched, report);
    return outcome;
  }

  async rebalance(pod: PodObject, withinMs: number, signal: AbortSignal): Promise<boolean> {
    const origin = originOf(pod, this.#options.port);
    return origin !== undefined && (await this.#client.rebalance(origin, { withinMs }, signal));
  }

  forget(podUid: string): void {
    this.#watched.get(podUid)?.stop.abort();
    this.#watched.delete(podUid);
  }

  async close(): Promise<void> {
    for (const uid of this.#watched.keys()) this.forget(uid);
    await this.#client.close();
  }

  /** Undefined for a pod that has no process to listen to. */
  #watch(pod: PodObject): Watched | undefined {
    const uid = pod.metadata.uid ?? "";
    const known = this.#watched.get(uid);
    if (known !== undefined) {
      known.pod = pod;
      return known;
    }
    if (originOf(pod, this.#options.port) === undefined) return undefined;
    const watched: Watched = { pod, report: undefined, silentSinceMs: undefined, stop: new AbortController() };
    this.#watched.set(uid, watched);
    void this.#listen(watched);
    return watched;
  }

  async #listen(watched: Watched): Promise<void> {
    const { signal } = watched.stop;
    const waitMs = this.#options.quietMs ?? 10_000;
    let pauseMs: number = PAUSE_MS.first;
    while (!signal.aborted) {
      const origin = originOf(watched.pod, this.#options.port);
      const { report, silentSinceMs } = watched;
      try {
        if (origin === undefined) throw new Error("the pod does not run");
        const isNew = report === undefined || silentSinceMs !== undefined;
        const wait = isNew ? undefined : { seen: report.revision, waitMs };
        this.#note(watched, await this.#client.ask(origin, wait, signal));
        pauseMs = PAUSE_MS.first;
      } catch {
        if (signal.aborted) return;
        this.#note(watched, undefined);
        await sleep(this.#clock, pauseMs, signal).catch(() => {});
        pauseMs = Math.min(2 * pauseMs, PAUSE_MS.longest);
      }
    }
  }

  /** Takes down what a replica said; undefined: that it said nothing. What is older than what is known is dropped. */
  #note(watched: Watched, report: ReplicaReport | undefined): void {
    if (watched.stop.signal.aborted) return;
    const before = { ...watched };
    if (report === undefined) {
      watched.silentSinceMs ??= this.#clock.nowMs();
    } else {
      watched.silentSinceMs = undefined;
      const isOlder = report.instance === before.report?.instance && report.revision < before.report.revision;
      if (!isOlder) watched.report = report;
    }
    const isNews =
      (before.silentSinceMs === undefined) !== (watched.silentSinceMs === undefined) ||
      before.report?.instance !== watched.report?.instance ||
      before.report?.revision !== watched.report?.revision;
    if (isNews) this.#options.changed(watched.pod);
  }
}
