import type { Logger } from "../../common/logger.ts";
import { sleep, startDeadline, systemClock, type Clock } from "./clock.ts";
import { statusOf } from "./list-watch.ts";

/** What a lease says. Its times are of its writer's wall clock: they are compared for change only, never with a clock. */
export interface LeaseRecord {
  /** Who leads; undefined when nobody does. */
  readonly holder: string | undefined;
  /** A holder that has not renewed for so long has lost the lead. Whole seconds are stored. */
  readonly leaseDurationMs: number;
  readonly acquireTime: Date | undefined;
  readonly renewTime: Date | undefined;
  /** How often the lead changed hands. */
  readonly transitions: number;
}

/** A lease as it is stored: an update that names another resource version than the stored one is refused. */
export interface StoredLease extends LeaseRecord {
  readonly resourceVersion: string;
}

/** Where the lease is. What it throws carries `status`: 409 means that somebody else was quicker. */
export interface LeaseClient {
  get(signal: AbortSignal): Promise<StoredLease | undefined>;
  create(record: LeaseRecord, signal: AbortSignal): Promise<StoredLease>;
  update(record: LeaseRecord, resourceVersion: string, signal: AbortSignal): Promise<StoredLease>;
}

/** In ms. A leader must give up before others may take over: renewDeadline < leaseDuration. */
export interface LeaderElectionTiming {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** As Kubernetes' own components: a leader that falls silent is followed within 17 s, one that stops orderly within 2.4 s. */
export const LEADER_ELECTION_TIMING: LeaderElectionTiming = {
  leaseDurationMs: 15_000,
  renewDeadlineMs: 10_000,
  retryPeriodMs: 2_000,
};

/** The times that go with a lease of another duration, in the same proportions. */
export function leaderElectionTiming(leaseDurationMs: number): LeaderElectionTiming {
  const scale = leaseDurationMs / LEADER_ELECTION_TIMING.leaseDurationMs;
  return {
    leaseDurationMs,
    renewDeadlineMs: LEADER_ELECTION_TIMING.renewDeadlineMs * scale,
    retryPeriodMs: LEADER_ELECTION_TIMING.retryPeriodMs * scale,
  };
}

/** A lease, and when we first saw it like this, on our own clock. */
export interface Observation {
  readonly lease: StoredLease;
  readonly sinceMs: number;
}

/** Takes down a lease that was read. As long as it says the same, the time of the first sight stands. */
export function observe(before: Observation | undefined, lease: StoredLease, nowMs: number): Observation {
  const isSame =
    before !== undefined &&
    before.lease.holder === lease.holder &&
    before.lease.renewTime?.getTime() === lease.renewTime?.getTime() &&
    before.lease.transitions === lease.transitions;
  return { lease, sinceMs: isSame ? before.sinceMs : nowMs };
}

/** What to do about the lead. */
export type ElectionStep =
  | { readonly kind: "create"; readonly record: LeaseRecord }
  | { readonly kind: "update"; readonly record: LeaseRecord; readonly resourceVersion: string }
  | { readonly kind: "wait"; readonly holder: string };

/**
 * The next step of a candidate, from what it has seen. A holder counts as silent when we have seen no renewal for the
 * duration its lease names, by our clock: clocks need not agree, they only must run at about the same speed.
 */
export function nextElectionStep(
  candidate: { readonly identity: string; readonly leaseDurationMs: number },
  observation: Observation | undefined,
  nowMs: number,
  wallTime: Date,
): ElectionStep {
  const { identity, leaseDurationMs } = candidate;
  const taken = { holder: identity, leaseDurationMs, acquireTime: wallTime, renewTime: wallTime };
  if (observation === undefined) return { kind: "create", record: { ...taken, transitions: 0 } };
  const { lease, sinceMs } = observation;
  const { resourceVersion } = lease;
  if (lease.holder === identity) {
    const acquireTime = lease.acquireTime ?? wallTime;
    return { kind: "update", record: { ...taken, acquireTime, transitions: lease.transitions }, resourceVersion };
  }
  if (lease.holder !== undefined && nowMs < sinceMs + lease.leaseDurationMs) {
    return { kind: "wait", holder: lease.holder };
  }
  return { kind: "update", record: { ...taken, transitions: lease.transitions + 1 }, resourceVersion };
}

export interface LeaderElectorOptions {
  readonly client: LeaseClient;
  /** Differs between all candidates, a restarted process and its former self included. */
  readonly identity: string;
  readonly timing?: LeaderElectionTiming;
  /** Called once, when this candidate leads. */
  readonly onAcquired: () => void;
  /** Called once, when the lead is lost: somebody else may lead by now, so the process must end. */
  readonly onLost: () => void;
  readonly logger: Logger;
  readonly clock?: Clock;
  /** For the times that are written into the lease, which people read. */
  readonly now?: () => Date;
  readonly random?: () => number;
}

const RELEASE_TIMEOUT_MS = 5_000;

/** Stands as a candidate, and keeps the lead once it has it. One term only: it does not stand again after it lost. */
export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  readonly #timing: LeaderElectionTiming;
  readonly #clock: Clock;
  #observation: Observation | undefined;
  /** When the renewal was sent that last succeeded; undefined while not leading. */
  #renewedMs: number | undefined;
  #lastHolder: string | undefined;
  /** Whether a write was sent: even one without an answer may have given us the lead. */
  #mayHold = false;

  /** Throws RangeError where the times do not leave a leader the time to give up. */
  constructor(options: LeaderElectorOptions) {
    this.#options = options;
    this.#timing = options.timing ?? LEADER_ELECTION_TIMING;
    this.#clock = options.clock ?? systemClock;
    const { leaseDurationMs, renewDeadlineMs, retryPeriodMs } = this.#timing;
    if (!(leaseDurationMs >= 1_000 && leaseDurationMs > renewDeadlineMs && renewDeadlineMs > 1.2 * retryPeriodMs)) {
      throw new RangeError(
        "expected 1000 <= leaseDurationMs > renewDeadlineMs > 1.2 * retryPeriodMs, got " +
          `${leaseDurationMs}, ${renewDeadlineMs}, ${retryPeriodMs}`,
      );
    }
  }

  /**
   * Whether this candidate leads for sure. False as soon as the last renewal is too old, also in a process that was
   * stopped and goes on: ask before each write.
   */
  isLeader(): boolean {
    return this.#renewedMs !== undefined && this.#clock.nowMs() - this.#renewedMs < this.#timing.renewDeadlineMs;
  }

  /**
   * Stands until the lead is lost, or until the signal is aborted: then gives the lead up, so that another candidate
   * follows within its retry period. Stop all work that needs the lead before that. Never rejects.
   */
  async run(signal: AbortSignal): Promise<"lost" | "stopped"> {
    const { logger, onAcquired, onLost } = this.#options;
    while (!signal.aborted) {
      const wasLeading = this.#renewedMs !== undefined;
      // A process that was stopped for too long does not ask, it has lost.
      const isHeld = wasLeading && !this.isLeader() ? undefined : await this.#attempt(signal);
      if (isHeld === true && !wasLeading && !signal.aborted) {
        logger.info({ identity: this.#options.identity }, "took the lead");
        onAcquired();
      }
      if (wasLeading && !signal.aborted && (isHeld === false || !this.isLeader())) {
        this.#renewedMs = undefined;
        logger.error({ holder: this.#observation?.lease.holder }, "lost the lead");
        onLost();
        return "lost";
      }
      await sleep(this.#clock, this.#pauseMs(), signal).catch(() => {});
    }
    await this.#release();
    return "stopped";
  }

  /** Tries to get or keep the lead. True: held; false: somebody else holds it; undefined: it could not be found out. */
  async #attempt(signal: AbortSignal): Promise<boolean | undefined> {
    const { logger } = this.#options;
    const startMs = this.#clock.nowMs();
    const endMs = (this.#renewedMs ?? startMs) + this.#timing.renewDeadlineMs;
    // Time for a second try where the first one hangs.
    const timeoutMs = Math.min(endMs - startMs, this.#timing.renewDeadlineMs / 2);
    const deadline = startDeadline(this.#clock, timeoutMs, signal);
    try {
      // A leader knows the lease it wrote and need not read it, unless somebody else wrote meanwhile.
      const isFirst = this.#renewedMs === undefined;
      if (isFirst) await this.#read(deadline.signal);
      try {
        return await this.#write(deadline.signal);
      } catch (error) {
        if (isFirst || ![404, 409].includes(statusOf(error) ?? 0)) throw error;
        await this.#read(deadline.signal);
        return await this.#write(deadline.signal);
      }
    } catch (error) {
      if (signal.aborted) return undefined;
      if (statusOf(error) === 409) logger.debug("another candidate was quicker");
      else logger.warn({ err: error }, "lease could not be read or written");
      return undefined;
    } finally {
      deadline.clear();
    }
  }

  async #read(signal: AbortSignal): Promise<void> {
    const lease = await this.#options.client.get(signal);
    this.#observation = lease === undefined ? undefined : observe(this.#observation, lease, this.#clock.nowMs());
    const holder = lease?.holder;
    if (holder !== this.#lastHolder && holder !== undefined && holder !== this.#options.identity) {
      this.#options.logger.info({ holder }, "another candidate leads");
    }
    this.#lastHolder = holder;
  }

  async #write(signal: AbortSignal): Promise<boolean> {
    const { client, identity, now = () => new Date() } = this.#options;
    const { leaseDurationMs } = this.#timing;
    // Before the request: others count from when they see it, which is later.
    const startMs = this.#clock.nowMs();
    const step = nextElectionStep({ identity, leaseDurationMs }, this.#observation, startMs, now());
    if (step.kind === "wait") return false;
    this.#mayHold = true;
    const lease =
      step.kind === "create"
        ? await client.create(step.record, signal)
        : await client.update(step.record, step.resourceVersion, signal);
    this.#observation = observe(this.#observation, lease, startMs);
    this.#renewedMs = startMs;
    return true;
  }

  #pauseMs(): number {
    const { retryPeriodMs, renewDeadlineMs } = this.#timing;
    if (this.#renewedMs === undefined) return retryPeriodMs * (1 + 0.2 * (this.#options.random ?? Math.random)());
    // Not beyond the time at which the lead must be given up.
    return Math.max(0, Math.min(retryPeriodMs, this.#renewedMs + renewDeadlineMs - this.#clock.nowMs()));
  }

  async #release(): Promise<void> {
    const { client, identity, logger, now = () => new Date() } = this.#options;
    if (!this.#mayHold) return;
    this.#renewedMs = undefined;
    const deadline = startDeadline(this.#clock, RELEASE_TIMEOUT_MS);
    try {
      // Read first: a write may have been under way when the signal came.
      const lease = await client.get(deadline.signal);
      if (lease?.holder !== identity) return;
      const time = now();
      const released = { ...lease, holder: undefined, leaseDurationMs: 1_000, acquireTime: time, renewTime: time };
      await client.update(released, lease.resourceVersion, deadline.signal);
      logger.info({ identity }, "gave up the lead");
    } catch (error) {
      logger.warn({ err: error }, "lead could not be given up, it ends with the lease");
    } finally {
      deadline.clear();
    }
  }
}
