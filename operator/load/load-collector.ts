import type { ReplicaLoad } from "../../common/admin-api.ts";
import { ReplicaPoller, type PollCounts, type ReplicaPollerOptions } from "../replicas/replica-poller.ts";
import { loadNowMs } from "./load-clock.ts";
import { withSample } from "./load-history.ts";
import type { LoadSample, LoadSource, ReplicaLoadHistory } from "./load-source.ts";

type Samples = readonly LoadSample[];

export interface LoadCollectorOptions extends Pick<
  ReplicaPollerOptions<ReplicaLoad, Samples>,
  "world" | "isNeeded" | "ask" | "intervalMs" | "collected" | "port" | "clock"
> {
  /** The clock of samples. Default: {@link loadNowMs}. */
  readonly nowMs?: () => number;
}

/** Asks replicas for their load, again and again, and remembers what they said for a while. */
export class LoadCollector implements LoadSource {
  readonly #poller: ReplicaPoller<ReplicaLoad, Samples>;

  constructor({ nowMs = loadNowMs, ...options }: LoadCollectorOptions) {
    this.#poller = new ReplicaPoller<ReplicaLoad, Samples>({
      ...options,
      nothing: [],
      remember: (samples, load) => withSample(samples, { atMs: nowMs(), load }),
    });
  }

  loadOf(key: string): readonly ReplicaLoadHistory[] {
    return this.#poller.replicasOf(key).map(({ podUid, podName, memory }) => ({ podUid, podName, samples: memory }));
  }

  counts(): PollCounts {
    return this.#poller.counts();
  }

  /** Begins to ask. */
  start(): void {
    this.#poller.start();
  }

  /** Ends all questions. */
  stop(): Promise<void> {
    return this.#poller.stop();
  }
}
