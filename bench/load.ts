import { Agent, request } from "undici";

/** A closed loop of clients: each sends its next request when it has the answer to the last one. */
export interface LoadOptions {
  readonly url: string;
  readonly body: string | Buffer;
  readonly contentType?: string;
  /** Sent with each request beside the content's type. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly clients: number;
  /** The load ends by itself after this. */
  readonly maxDurationMs: number;
  /** Each client waits so long between two requests. Default 0. */
  readonly pauseMs?: number;
  /** Requests per connection; then a new client comes, from another address. Default: as many as the server allows. */
  readonly requestsPerConnection?: number;
  /** Is called at the end of each request. */
  readonly onDone?: (done: { readonly atMs: number; readonly latencyMs: number; readonly isGood: boolean }) => void;
  /** Is called when a kind of failure comes for the first time, while its traces are fresh. */
  readonly onFailure?: (failure: LoadFailure) => void;
}

/** The first failure of its kind. */
export interface LoadFailure {
  /** Such as `503` or `ECONNRESET read ECONNRESET`. */
  readonly kind: string;
  /** Since the load began. */
  readonly atMs: number;
  /** Address of the client that had it; on Linux no other client of the last minutes had the same. */
  readonly from: string;
}

export interface LoadReport {
  readonly sent: number;
  readonly failed: number;
  /** Kinds of failures, such as `503` or `ECONNRESET`, with how often and when each came first. */
  readonly failures: Readonly<Record<string, { count: number; firstAtMs: number }>>;
  readonly durationMs: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Answers that took longer than a second, and failures that did. */
  readonly late: number;
  /** Answers by the version that the server says answered. */
  readonly versions: Readonly<Record<string, number>>;
}

export interface Load {
  /** How it goes. */
  soFar(): { readonly sent: number; readonly failed: number };
  /** Ends the load; requests under way are waited for. */
  stop(): Promise<LoadReport>;
}

const REQUEST_TIMEOUT_MS = 30_000;
const LATE_MS = 1_000;

/** Starts a load on an address of this machine. Nothing is sent twice: whatever goes wrong is counted. */
export function startLoad(options: LoadOptions): Load {
  const { hostname } = new URL(options.url);
  if (hostname !== "127.0.0.1") throw new Error(`expected a load on 127.0.0.1, got ${hostname}`);
  const startMs = performance.now();
  const ended = new AbortController();
  const timer = setTimeout(() => ended.abort(), options.maxDurationMs);
  const latencies: number[] = [];
  const failures: Record<string, { count: number; firstAtMs: number }> = {};
  const versions: Record<string, number> = {};

  function fail(kind: string, from: string): void {
    const known = failures[kind];
    if (known !== undefined) {
      known.count += 1;
      return;
    }
    const atMs = Math.round(performance.now() - startMs);
    failures[kind] = { count: 1, firstAtMs: atMs };
    options.onFailure?.({ kind, atMs, from });
  }

  function took(sentMs: number, isGood: boolean): void {
    const atMs = performance.now();
    latencies.push(atMs - sentMs);
    options.onDone?.({ atMs: atMs - startMs, latencyMs: atMs - sentMs, isGood });
  }

  async function client(): Promise<void> {
    let from = nextAddress();
    let agent = newAgent(from);
    for (let sent = 1; !ended.signal.aborted; sent++) {
      const sentMs = performance.now();
      try {
        const { statusCode, headers, body } = await request(options.url, {
          method: "POST",
          headers: { "content-type": options.contentType ?? "application/json", ...options.headers },
          body: options.body,
          dispatcher: agent,
        });
        await body.dump();
        took(sentMs, statusCode === 200);
        if (statusCode === 200) {
          const version = String(headers["x-lockstep-model-version"] ?? "");
          versions[version] = (versions[version] ?? 0) + 1;
        } else fail(String(statusCode), from);
      } catch (error) {
        took(sentMs, false);
        fail(codeOf(error), from);
      }
      if (sent % (options.requestsPerConnection ?? Infinity) === 0) {
        await agent.close();
        from = nextAddress();
        agent = newAgent(from);
      }
      if (options.pauseMs !== undefined && !ended.signal.aborted) await pause(options.pauseMs, ended.signal);
    }
    await agent.close();
  }

  const clients = Promise.all(Array.from({ length: options.clients }, client));
  const countFailed = (): number => Object.values(failures).reduce((sum, { count }) => sum + count, 0);
  return {
    soFar: () => ({ sent: latencies.length, failed: countFailed() }),
    async stop() {
      ended.abort();
      clearTimeout(timer);
      await clients;
      const durationMs = Math.round(performance.now() - startMs);
      latencies.sort((a, b) => a - b);
      const quantile = (q: number): number => Math.round((latencies[Math.floor(latencies.length * q)] ?? 0) * 10) / 10;
      return {
        sent: latencies.length,
        failed: countFailed(),
        failures,
        durationMs,
        requestsPerSecond: Math.round((latencies.length / durationMs) * 1000),
        p50Ms: quantile(0.5),
        p99Ms: quantile(0.99),
        maxMs: Math.round(latencies.at(-1) ?? 0),
        late: latencies.filter((latencyMs) => latencyMs > LATE_MS).length,
        versions,
      };
    },
  };
}

/** Of several loads: half of what each took at most says nothing of all together. */
export type LoadsReport = Omit<LoadReport, "p50Ms">;

/** What loads saw that ran side by side; `p99Ms` is that of the slowest one. */
export function addReports(reports: readonly LoadReport[]): LoadsReport {
  const failures: Record<string, { count: number; firstAtMs: number }> = {};
  const versions: Record<string, number> = {};
  for (const report of reports) {
    for (const [kind, { count, firstAtMs }] of Object.entries(report.failures)) {
      const known = failures[kind] ?? { count: 0, firstAtMs };
      failures[kind] = { count: known.count + count, firstAtMs: Math.min(known.firstAtMs, firstAtMs) };
    }
    for (const [version, count] of Object.entries(report.versions))
      versions[version] = (versions[version] ?? 0) + count;
  }
  const sum = (of: (report: LoadReport) => number): number => reports.reduce((total, report) => total + of(report), 0);
  const most = (of: (report: LoadReport) => number): number => Math.max(0, ...reports.map(of));
  return {
    sent: sum(({ sent }) => sent),
    failed: sum(({ failed }) => failed),
    failures,
    durationMs: most(({ durationMs }) => durationMs),
    requestsPerSecond: sum(({ requestsPerSecond }) => requestsPerSecond),
    p99Ms: most(({ p99Ms }) => p99Ms),
    maxMs: most(({ maxMs }) => maxMs),
    late: sum(({ late }) => late),
    versions,
  };
}

let addresses = Math.floor(Math.random() * 2 ** 24);

/**
 * An address of this machine that no client had for a long time. From one address for all, the system takes a port again
 * within half a minute, while connection tracking and servers remember the connection that had it for one or two: most new
 * connections then replace a remembered one, and some wait a second for it. Clients on machines of their own never do
 * that to each other. Elsewhere than on Linux there is only one address.
 */
function nextAddress(): string {
  if (process.platform !== "linux") return "127.0.0.1";
  addresses = (addresses + 1) % 2 ** 24;
  // Not 127.0.x.x, where others listen, nor the last address, which is for broadcasts.
  const [second, third, fourth] = [1 + ((addresses >> 16) % 254), (addresses >> 8) & 255, addresses & 255];
  return `127.${second}.${third}.${fourth}`;
}

function newAgent(localAddress: string): Agent {
  return new Agent({
    localAddress,
    connections: 1,
    pipelining: 1,
    headersTimeout: REQUEST_TIMEOUT_MS,
    bodyTimeout: REQUEST_TIMEOUT_MS,
  });
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  return `${code} ${error.message}`;
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    signal.addEventListener("abort", done, { once: true });
  });
}
