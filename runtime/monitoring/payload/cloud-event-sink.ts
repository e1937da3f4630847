import { setTimeout as delay } from "node:timers/promises";
import type { HttpClient } from "../../storage/http-client.ts";
import { NetworkDeniedError } from "../../storage/network-guard.ts";
import { backoffMs } from "../../storage/retry.ts";
import { redactUri } from "../../storage/storage-uri.ts";
import { cloudEventsOf, type CloudEvent, type PayloadService } from "./cloud-event.ts";
import type { EncodedPayload } from "./payload-encoder.ts";
import type { PayloadOutcome, PayloadSink } from "./payload-pipeline.ts";
import { PayloadQueue } from "./payload-queue.ts";
import type { SinkComplaints } from "./sink-complaints.ts";

/** How events are sent. All times in milliseconds. */
export interface CloudEventPolicy {
  /** Requests to the sink at a time, each on its connection. */
  readonly concurrency: number;
  /** An attempt that is not answered by then has failed. */
  readonly attemptMs: number;
  readonly maxAttempts: number;
  /** Before the second attempt; doubles from one to the next, less up to a half by chance. */
  readonly firstDelayMs: number;
}

export const DEFAULT_CLOUD_EVENT_POLICY: CloudEventPolicy = {
  concurrency: 8,
  attemptMs: 5_000,
  maxAttempts: 4,
  firstDelayMs: 200,
};

/** Longer bodies are sent in the pieces that they were made in. */
const JOINED_BYTES = 64 * 1024;
/** So much of an answer is read, for the connection to be used again. */
const ANSWER_BYTES = 16 * 1024;

/** What a sink sends by. */
export interface CloudEventSinkOptions {
  readonly url: URL;
  readonly service: PayloadService;
  /** With as many connections as the policy's concurrency. Not disposed of by the sink. */
  readonly http: HttpClient;
  readonly complaints: SinkComplaints;
  readonly policy?: Partial<CloudEventPolicy>;
}

interface Waiting {
  readonly payload: EncodedPayload;
  readonly settle: (outcome: PayloadOutcome) => void;
}

/** Posts CloudEvents, a few at a time. */
export class CloudEventSink implements PayloadSink {
  readonly name = "http";
  readonly #options: CloudEventSinkOptions;
  readonly #policy: CloudEventPolicy;
  readonly #place: string;
  readonly #waiting = new PayloadQueue<Waiting>();
  readonly #stop = new AbortController();
  readonly #sending = new Set<Promise<void>>();

  constructor(options: CloudEventSinkOptions) {
    this.#options = options;
    this.#policy = { ...DEFAULT_CLOUD_EVENT_POLICY, ...options.policy };
    this.#place = redactUri(options.url.href);
  }

  accept(payload: EncodedPayload, settle: (outcome: PayloadOutcome) => void): void {
    this.#waiting.push({ payload, settle });
    this.#pump();
  }

  async flush(signal: AbortSignal): Promise<void> {
    const abort = (): void => this.#stop.abort();
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort, { once: true });
    while (this.#sending.size > 0) await Promise.all(this.#sending);
    signal.removeEventListener("abort", abort);
  }

  #pump(): void {
    while (this.#sending.size < this.#policy.concurrency) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const sent = this.#send(next).finally(() => {
        this.#sending.delete(sent);
        this.#pump();
      });
      this.#sending.add(sent);
    }
  }

  async #send({ payload, settle }: Waiting): Promise<void> {
    let outcome: PayloadOutcome = "logged";
    for (const event of cloudEventsOf(payload, this.#options.service)) {
      if (this.#stop.signal.aborted) outcome = "shutdown";
      else if (!(await this.#deliver(event))) outcome = this.#stop.signal.aborted ? "shutdown" : "sink";
      if (outcome !== "logged") break;
    }
    settle(outcome);
  }

  async #deliver(event: CloudEvent): Promise<boolean> {
    const { maxAttempts, firstDelayMs } = this.#policy;
    for (let attempt = 1; ; attempt++) {
      const problem = await this.#attempt(event);
      if (problem === undefined) return true;
      if (this.#stop.signal.aborted) return false;
      if (!problem.isTransient || attempt === maxAttempts) {
        this.#options.complaints.note(`${this.#place} ${problem.what}`);
        return false;
      }
      try {
        await delay(backoffMs(attempt, firstDelayMs), undefined, { signal: this.#stop.signal });
      } catch {
        return false;
      }
    }
  }

  async #attempt({ headers, body }: CloudEvent): Promise<{ what: string; isTransient: boolean } | undefined> {
    const { url, http } = this.#options;
    const end = new AbortController();
    const abort = (): void => end.abort();
    const timer = setTimeout(abort, this.#policy.attemptMs);
    this.#stop.signal.addEventListener("abort", abort, { once: true });
    try {
      const { status, body: answer } = await http.request(
        {
          method: "POST",
          origin: url.origin,
          path: url.pathname + url.search,
          headers,
          body: joined(body.pieces, body.sizeBytes),
        },
        end.signal,
      );
      await answer.dump({ limit: ANSWER_BYTES, signal: end.signal });
      if (status >= 200 && status < 300) return undefined;
      const isTransient = status === 408 || status === 425 || status === 429 || status >= 500;
      return { what: `answered with status ${status}`, isTransient };
    } catch (error) {
      if (error instanceof NetworkDeniedError) return { what: `is not allowed: ${error.message}`, isTransient: false };
      return { what: end.signal.aborted ? "did not answer in time" : "cannot be reached", isTransient: true };
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener("abort", abort);
    }
  }
}

function joined(pieces: readonly Uint8Array[], sizeBytes: number): Uint8Array | readonly Uint8Array[] {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  return sizeBytes <= JOINED_BYTES ? Buffer.concat(pieces) : pieces;
}
