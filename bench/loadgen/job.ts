/** What to send; always the same bytes. */
export type Target =
  | { readonly kind: "http1"; readonly port: number; readonly request: Uint8Array }
  | { readonly kind: "grpc"; readonly port: number; readonly path: string; readonly message: Uint8Array };

/**
 * When to send. `closed`: each connection (or stream of one) sends its next request when it has the answer to the last
 * one. `open`: requests go at a fixed rate whatever the server does, and wait for a free connection where there is none.
 */
export type Pacing =
  | { readonly kind: "closed"; readonly connections: number; readonly streams: number }
  | {
      readonly kind: "open";
      readonly connections: number;
      readonly streams: number;
      readonly requestsPerSecond: number;
    };

/** One load. The server is on 127.0.0.1, always. */
export interface LoadJob {
  readonly target: Target;
  readonly pacing: Pacing;
  /** Before anything counts. */
  readonly warmupMs: number;
  readonly measureMs: number;
  /** Root of the processes whose CPU time is measured; undefined to leave it out. */
  readonly serverPid: number | undefined;
}

export interface OutcomeResult {
  /** Ended within the measured time. */
  readonly count: number;
  /** Counts of a LatencyHistogram, of those that ended (closed) or should have been sent (open) within the measured time. */
  readonly latencies: Uint32Array;
}

/** What one load gave. */
export interface LoadResult {
  readonly seconds: number;
  readonly outcomes: Readonly<Record<string, OutcomeResult>>;
  /** Of an open loop: requests of the measured time without an answer when the loop gave up waiting, sent or not. */
  readonly unanswered: number;
  /** CPU time of the server's processes within the measured time. */
  readonly serverCpuSeconds: number;
  /** Memory of the server's processes at the end. */
  readonly serverResidentBytes: number;
  /** Share of one core that the generator used: near 1, an open loop that spins or a generator that is too slow. */
  readonly generatorCpuShare: number;
}
