import type { ReplicaFailureError } from "../errors.ts";
import type { Clock } from "./clock.ts";
import type { Failure } from "./harness.ts";
import type { ModelRepository, RepositoryListing } from "./repository.ts";

/** What a watch looks at, how often, and who is told. */
export interface RepositoryWatchOptions {
  readonly repository: Pick<ModelRepository, "listVersions">;
  readonly clock: Clock;
  /** 0 means that a listing which succeeds is the last one. */
  readonly pollIntervalMs: number;
  /** Makes a failure of anything that was thrown, knowing the one before it. */
  readonly failureAfter: (error: unknown, before: Failure | undefined) => [Failure, ReplicaFailureError];
  /** Told of each listing, and of the failure that it ends; returns what is missing in it. */
  readonly onListed: (listing: RepositoryListing, before: Failure | undefined) => ReplicaFailureError | undefined;
  readonly onFailed: (failure: Failure, error: ReplicaFailureError) => void;
}

/** After so long, if not sooner, it shows whether a version that was new is complete, in ms. */
const SECOND_LOOK_MS = 5_000;

/** Lists a repository: at once, then from time to time, and after a failure as soon as its time has come. */
export class RepositoryWatch {
  readonly #options: RepositoryWatchOptions;
  #pollIntervalMs: number;
  #listing: RepositoryListing | undefined;
  #failure: Failure | undefined;
  #endedAtMs = Number.NEGATIVE_INFINITY;
  #dueAtMs = Number.NEGATIVE_INFINITY;
  #underWay: Promise<void> | undefined;
  #wake = new AbortController();

  constructor(options: RepositoryWatchOptions) {
    this.#options = options;
    this.#pollIntervalMs = options.pollIntervalMs;
  }

  /** The last one that succeeded. */
  get listing(): RepositoryListing | undefined {
    return this.#listing;
  }

  /** A version that was fetched is in the repository, also if it came there after the last listing. */
  noteFound(version: number): void {
    const listing = this.#listing;
    if (listing === undefined || listing.versions.includes(version)) return;
    this.#listing = { ...listing, versions: [...listing.versions, version].sort((a, b) => a - b) };
  }

  /** Why the last one failed, or what it lacked; undefined if it did not. */
  get failure(): Failure | undefined {
    return this.#failure;
  }

  /** Works until `signal` aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    while (!signal.aborted) {
      await this.settle(signal);
      await clock.wait(this.#dueAtMs - clock.now(), AbortSignal.any([signal, this.#wake.signal]));
      if (this.#wake.signal.aborted) this.#wake = new AbortController();
    }
  }

  /** Waits for the listing that is under way, or due by now. Never rejects. */
  async settle(signal: AbortSignal): Promise<void> {
    if (this.#underWay === undefined && this.#dueAtMs > this.#options.clock.now()) return;
    this.#underWay ??= this.#list(signal).finally(() => (this.#underWay = undefined));
    await this.#underWay;
  }

  /** Lists again at this moment, or before it. */
  expectBy(atMs: number): void {
    if (atMs >= this.#dueAtMs) return;
    this.#dueAtMs = atMs;
    this.#wake.abort();
  }

  setPollInterval(pollIntervalMs: number): void {
    if (pollIntervalMs === this.#pollIntervalMs) return;
    this.#pollIntervalMs = pollIntervalMs;
    if (this.#listing === undefined || this.#failure !== undefined) return;
    this.#dueAtMs = this.#nextPollMs();
    this.#wake.abort();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { repository, clock, failureAfter, onListed, onFailed } = this.#options;
    this.#dueAtMs = Number.POSITIVE_INFINITY;
    const before = this.#failure;
    let error: unknown;
    try {
      const listing = await repository.listVersions(signal);
      this.#listing = listing;
      this.#failure = undefined;
      error = onListed(listing, before);
    } catch (thrown) {
      error = thrown;
    }
    if (signal.aborted) return;
    this.#endedAtMs = clock.now();
    if (error === undefined) return this.#schedule(this.#nextPollMs());
    const [failure, cause] = failureAfter(error, before);
    this.#failure = failure;
    this.#schedule(failure.retryAtMs);
    onFailed(failure, cause);
  }

  /** Somebody may have asked for an earlier one meanwhile. */
  #schedule(atMs: number): void {
    this.#dueAtMs = Math.min(this.#dueAtMs, atMs);
  }

  #nextPollMs(): number {
    const intervalMs = this.#pollIntervalMs === 0 ? Number.POSITIVE_INFINITY : this.#pollIntervalMs;
    const isIncomplete = this.#listing !== undefined && this.#listing.arriving.length > 0;
    return this.#endedAtMs + (isIncomplete ? Math.min(intervalMs, SECOND_LOOK_MS) : intervalMs);
  }
}
