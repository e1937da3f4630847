import type { MinimumRate } from "./minimum-rate.ts";

/** Limits of a download. */
export interface DownloadPolicy {
  /** Attempts that bring less than `usefulBytes`. One that brings more is not counted: large files may break often. */
  readonly maxAttempts: number;
  readonly usefulBytes: number;
  readonly firstDelayMs: number;
  /** Until the storage begins to send. */
  readonly openTimeoutMs: number;
  readonly minimumRate: MinimumRate;
  /** After so many bytes what is on the disk is made durable, and another process could go on from there. */
  readonly checkpointBytes: number;
  /** Progress is told no more often. */
  readonly progressIntervalMs: number;
}

export const DEFAULT_DOWNLOAD_POLICY: DownloadPolicy = {
  maxAttempts: 5,
  usefulBytes: 16 * 1024 * 1024,
  firstDelayMs: 200,
  openTimeoutMs: 8_000,
  minimumRate: { windowMs: 10_000, minBytes: 16 * 1024 },
  checkpointBytes: 32 * 1024 * 1024,
  progressIntervalMs: 250,
};
