import { readdir } from "node:fs/promises";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";

const NANOSECONDS = 1e9;
/** How often the delay is looked at. */
const RESOLUTION_MS = 10;
const QUANTILES = [0.5, 0.99, 1] as const;

/** What a process tells of itself. */
export interface ProcessSample {
  readonly cpuSeconds: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
  readonly startTimeSeconds: number;
  /** Undefined where the system does not tell. */
  readonly openFiles: number | undefined;
  /** Since the last sample. */
  readonly eventLoopDelaySeconds: readonly { readonly quantile: number; readonly seconds: number }[];
}

/** Takes samples; owns a timer that does not keep the process alive. */
export interface ProcessSampler extends Disposable {
  sample(): Promise<ProcessSample>;
}

/** Starts to measure the event loop's delay of the calling thread. */
export function createProcessSampler(): ProcessSampler {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  return {
    sample: async () => {
      const cpu = process.cpuUsage();
      const { rss, heapUsed, external } = process.memoryUsage();
      const eventLoopDelaySeconds = QUANTILES.map((quantile) => ({
        quantile,
        seconds: delay.count === 0 ? 0 : latenessSeconds(delay.percentile(quantile * 100)),
      }));
      delay.reset();
      return {
        cpuSeconds: (cpu.user + cpu.system) / 1e6,
        residentBytes: rss,
        heapBytes: heapUsed,
        externalBytes: external,
        startTimeSeconds: performance.timeOrigin / 1000,
        openFiles: await countOpenFiles(),
        eventLoopDelaySeconds,
      };
    },
    [Symbol.dispose]: () => delay.disable(),
  };
}

/** What is measured is the time between two looks, which is the resolution where nothing is late. */
export function latenessSeconds(intervalNs: number): number {
  return Math.max(0, intervalNs / NANOSECONDS - RESOLUTION_MS / 1_000);
}

async function countOpenFiles(): Promise<number | undefined> {
  try {
    return (await readdir("/proc/self/fd")).length;
  } catch {
    return undefined;
  }
}
